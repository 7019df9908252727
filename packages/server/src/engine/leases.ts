import type { Claim, Store } from '../store/port.ts';

/** One attempt's lease as this process sees it. */
export interface Lease {
  /** Aborts when the lease is lost or the attempt ran longer than `maxRunMs`. Never because the caller hung up. */
  readonly signal: AbortSignal;
  /** Lost, or given up by this process: nothing may be begun under it. */
  readonly isLost: boolean;
  /**
   * Whether this attempt surely holds the operation now. By this process's monotonic clock while the last
   * renewal is fresh; otherwise (the process was paused, renewals failed) the store is asked first.
   */
  confirm(): Promise<'ours' | 'lost' | 'too long'>;
  /** The store said that another attempt holds the operation. */
  lose(): void;
  /** The attempt is over: nothing is renewed or confirmed any more. */
  end(): void;
}

export interface Leases {
  /** @param askedAt by `performance.now()`, from before the claim was first sent: its answer may have taken long. */
  hold(claim: Claim, askedAt: number, onLost: () => void): Lease;
  /**
   * Ends renewal and aborts every attempt that still runs (or those that are meant); returns their claims. One whose claim is still
   * under way is given up as soon as it's held.
   */
  abandon(why: string, which?: (claim: Claim) => boolean): readonly Claim[];
  close(): void;
}

/** Why `operation.signal` aborted. */
export class AttemptAborted extends Error {
  override readonly name = 'AttemptAborted';
}

/**
 * Renews all leases of this process in one statement, every third of the shortest lease, on the store's own
 * connection. A lease past its `maxRunMs` isn't renewed any more: then the record's `onCrash` applies.
 */
export function createLeases(store: Pick<Store, 'renew'>): Leases {
  const held = new Set<Held>();
  const abandoned: { readonly why: string; readonly which: (claim: Claim) => boolean }[] = [];
  let timer: NodeJS.Timeout | undefined;
  let timerDueAt = Number.POSITIVE_INFINITY;
  let closed = false;

  async function renew(entries: readonly Held[]): Promise<void> {
    if (entries.length === 0) return;
    const sentAt = performance.now();
    const results = await store.renew(entries.map((entry) => entry.claim));
    const renewed = new Set(results.filter((r) => r.renewed).map((r) => `${r.operationId} ${r.attempt}`));
    for (const entry of entries) {
      if (renewed.has(`${entry.claim.operationId} ${entry.claim.attempt}`)) {
        entry.sureUntil = Math.max(entry.sureUntil, sentAt + entry.claim.policy.leaseMs);
      } else if (held.has(entry)) {
        entry.lose();
      }
    }
  }

  /** One timer for all; brought forward when a shorter lease arrives, never put off by new ones. */
  function schedule(afterMs: number): void {
    const dueAt = performance.now() + afterMs;
    if (closed || dueAt >= timerDueAt) return;
    clearTimeout(timer);
    timerDueAt = dueAt;
    timer = setTimeout(tick, afterMs);
    timer.unref();
  }

  function tick(): void {
    timerDueAt = Number.POSITIVE_INFINITY;
    const now = performance.now();
    const running: Held[] = [];
    for (const entry of [...held]) {
      if (now < entry.runUntil) running.push(entry);
      else entry.abort(`The attempt ran longer than ${entry.claim.policy.maxRunMs} ms`);
    }
    let everyMs = Number.POSITIVE_INFINITY;
    for (const { claim, runUntil } of held) {
      everyMs = Math.min(everyMs, claim.policy.leaseMs / 3);
      if (runUntil > now) everyMs = Math.min(everyMs, runUntil - now);
    }
    if (held.size > 0) schedule(everyMs);
    // Not waited for: one whose answer never comes must not keep the next from being sent.
    // A store that can't be reached now may be again before the lease ends; `confirm` asks where it matters.
    renew(running).catch(() => undefined);
  }

  return {
    hold(claim, askedAt, onLost) {
      const entry = new Held(claim, askedAt, onLost, { held, renew });
      const over = abandoned.find(({ which }) => which(claim));
      if (over !== undefined) {
        entry.giveUp(over.why);
        return entry;
      }
      held.add(entry);
      schedule(Math.min(claim.policy.leaseMs / 3, claim.policy.maxRunMs));
      return entry;
    },
    abandon(why, which = () => true) {
      abandoned.push({ why, which });
      const entries = [...held].filter(({ claim }) => which(claim));
      for (const entry of entries) entry.giveUp(why);
      return entries.map((entry) => entry.claim);
    },
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

interface Leaseholder {
  /** Those that are renewed. */
  readonly held: Set<Held>;
  renew(entries: readonly Held[]): Promise<void>;
}

class Held implements Lease {
  readonly claim: Claim;
  /** Monotonic: until then nobody may have taken over. Counted from before the write was sent, so it's never late. */
  sureUntil: number;
  readonly runUntil: number;
  readonly #onLost: () => void;
  readonly #holder: Leaseholder;
  /** Its signal is only made when it is first asked for: few handlers ask. */
  readonly #controller = new AbortController();
  #aborted = false;
  #lost = false;
  #ended = false;

  constructor(claim: Claim, askedAt: number, onLost: () => void, holder: Leaseholder) {
    this.claim = claim;
    this.sureUntil = askedAt + claim.policy.leaseMs;
    this.runUntil = performance.now() + claim.policy.maxRunMs;
    this.#onLost = onLost;
    this.#holder = holder;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isLost(): boolean {
    return this.#lost;
  }

  async confirm(): Promise<'ours' | 'lost' | 'too long'> {
    if (this.#lost || this.#ended) return 'lost';
    if (performance.now() >= this.runUntil) return 'too long';
    if (performance.now() < this.sureUntil) return 'ours';
    await this.#holder.renew([this]);
    return this.#lost || this.#ended ? 'lost' : 'ours';
  }

  lose(): void {
    if (this.#lost) return;
    this.giveUp('Another attempt holds this operation');
    this.#onLost();
  }

  /** Given up, not overtaken: no alert. */
  giveUp(why: string): void {
    this.#lost = true;
    this.#holder.held.delete(this);
    this.abort(why);
  }

  abort(why: string): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#controller.abort(new AttemptAborted(why));
  }

  end(): void {
    this.#ended = true;
    this.#holder.held.delete(this);
  }
}
