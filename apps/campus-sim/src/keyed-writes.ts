import { type Answer, refusal } from './answer.ts';
import { fingerprintOf } from './canonical.ts';
import type { Domain } from './domain.ts';
import type { Delivery, FaultSwitch } from './faults.ts';
import { createIdempotencyStore, type Remembered } from './idempotency.ts';
import { checkKey } from './idempotency-key.ts';
import type { Journal } from './journal.ts';
import type { LoggedRequest, RequestLog } from './request-log.ts';

/** A line of the data file. Effect and remembered answer are one line: a crash can't separate them. */
export interface Entry<Change> {
  readonly change?: Change;
  readonly result?: Remembered;
}

export interface WriteRequest {
  readonly path: string;
  readonly keyLines: readonly string[] | undefined;
  readonly body: string;
}

export interface Reply {
  readonly answer: Answer;
  readonly delivery: Delivery;
  /** To be called when the answer leaves, or is lost: until then the key is in use. */
  readonly left: () => void;
  readonly logged?: LoggedRequest;
}

export interface KeyedWrites<Change> {
  handle(request: WriteRequest): Promise<Reply>;
  /** For what no caller asked for: settings of the simulation. */
  change(change: Change): Promise<void>;
}

interface Parts<Change> {
  readonly domain: Domain<Change>;
  readonly journal: Journal<Entry<Change>>;
  readonly faults: FaultSwitch;
  readonly log: RequestLog;
  readonly now: () => number;
  readonly closing: AbortSignal;
}

/** `POST`s: each key once, and the same answer to it from then on. */
export function createKeyedWrites<Change>(parts: Parts<Change>): KeyedWrites<Change> {
  const { domain, journal, faults, log, now, closing } = parts;
  const store = createIdempotencyStore();
  const apply = ({ change, result }: Entry<Change>): void => {
    if (change !== undefined) domain.apply(change);
    if (result !== undefined) store.remember(result);
  };
  for (const entry of journal.entries) apply(entry);
  /** At once in memory, so that two requests can't both act on the same state; answered when it's on disk. */
  const commit = (entry: Entry<Change>): Promise<void> => {
    apply(entry);
    return journal.append(entry);
  };

  return {
    change: (change) => commit({ change }),
    async handle({ path, keyLines, body: text }) {
      const route = find(domain, path);
      if (route === undefined) return plain(refusal(404, 'not_found', `There is no POST ${path}`));
      const checkedKey = checkKey(keyLines);
      if (!checkedKey.ok) return plain(checkedKey.answer);
      const { key } = checkedKey;
      const logged = log.arrived(path, key);
      const failure = faults.takeFailure();
      if (failure !== undefined)
        return plain(refusal(failure, 'told_to_fail', 'Nothing has happened'), logged);
      const body = bodyFrom(text);
      if (body === undefined) return plain(refusal(400, 'invalid_request', 'The body is not JSON'), logged);

      const nowMs = now();
      const fingerprint = fingerprintOf(path, body.json);
      const admission = store.enter({ key, fingerprint, nowMs });
      if (admission.kind === 'refuse') return plain(admission.answer, logged);
      if (admission.kind === 'replay') {
        // What an earlier request left behind may still be on its way to the disk.
        await journal.flushed();
        logged.isReplay = true;
        return { answer: admission.answer, delivery: faults.takeDelivery(), left: () => {}, logged };
      }
      const left = () => store.leave(key);
      try {
        await faults.stall(closing);
        if (closing.aborted) throw new Error('The service is closing');
        const { answer, change, forget } = route.write({
          body: body.json,
          id: route.id,
          idempotencyKey: key,
          nowMs,
        });
        if (forget !== true) {
          const { status, body: kept } = answer;
          const result: Remembered = { key, fingerprint, atMs: nowMs, status, body: kept };
          await commit({ ...(change !== undefined && { change }), result });
        }
        return { answer, delivery: faults.takeDelivery(), left, logged };
      } catch (error) {
        left();
        throw error;
      }
    },
  };
}

const plain = (answer: Answer, logged?: LoggedRequest): Reply => ({
  answer,
  delivery: { kind: 'send', wait: async () => {} },
  left: () => {},
  ...(logged && { logged }),
});

function find<Change>({ writes }: Domain<Change>, path: string) {
  for (const [pattern, write] of writes) {
    const match = pattern.exec(path);
    if (match) return { write, id: match[1] ?? '' };
  }
  return undefined;
}

/** Wrapped: `null` is JSON too. */
function bodyFrom(text: string): { readonly json: unknown } | undefined {
  try {
    return { json: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}
