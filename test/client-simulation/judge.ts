import { IntentConflictError, type Outcome } from '@semel/client';
import type { JournalRecord } from '../../packages/client/src/journal/journal.ts';
import type { Owner, World } from './engine.ts';
import type { SentRequest } from './network.ts';
import type { Order, Receipt } from './shop.ts';

/** What one user wants done once: a cart. */
export interface Wish {
  readonly user: string;
  readonly cart: string;
  readonly path: 'pay' | 'book' | 'send';
  /** Told apart by an intent, or by nothing but the call itself. */
  readonly intent: boolean;
}

/** Looks at what users were told, at what was sent and at what is so, and says what must never be. */
export interface Judge {
  /** A new action is allowed for this cart: its user has asked for one, or what was known of the last is gone. */
  allow(cart: string, why: string): void;
  allowAll(why: string): void;
  /** So much time has passed that the server may have forgotten keys. */
  keysAreOver(): void;
  /** A user logs out. @param idle nothing of theirs is under way: then nothing of it may be left */
  purging(user: string, idle: boolean): void;
  purged(): void;
  /** A tab took its storage for dead, though it may just have slept. */
  doubt(): void;
  /** A user wants it (again): what was refused before may happen now. */
  clicked(wish: Wish): void;
  /** A user is told. */
  told(wish: Wish, order: Order, outcome: Outcome<unknown>): void;
  /** What a page found out about what an earlier one had left open. */
  resumed(record: JournalRecord, outcome: Outcome<unknown>, began: number): void;
  sent(request: SentRequest): void;
  over(request: SentRequest): void;
  written(keys: Iterable<JournalRecord>): void;
  struck(record: JournalRecord, tab: Owner): void;
  verdict(): void;
}

interface JudgeOptions {
  readonly effects: () => Iterable<unknown>;
  readonly charges: () => readonly { readonly identity: string }[];
  readonly recordOf: (key: string) => JournalRecord | undefined;
  /** The storage of this run never fails: then more is asked for. */
  readonly sound: boolean;
  /** That a key is over excuses nothing: who finds it so is told that nobody knows, and asks for a new action. */
  readonly strict: boolean;
  readonly records: () => Iterable<JournalRecord>;
  /** There are locks, and nobody sleeps long: two tabs never work at one action. */
  readonly tabsExclude: boolean;
  /** What a tab's clock says. */
  readonly wallOf: (tab: Owner) => number;
}

const DAY_S = 86_400;

export function createJudge(world: World, options: JudgeOptions): Judge {
  const { tabsExclude } = options;
  const isSound = () => options.sound && !doubted;
  const allowed = new Map<string, number>();
  const answers = new Map<string, string>();
  /** Where and when a user was told so, by key. */
  const rejected = new Map<string, { readonly cart: string; readonly at: number }>();
  /** Told as not known: whoever is first to take such a record again has no claim on it yet when a second one looks. */
  const reopened = new Set<string | undefined>();
  const lost = new Set<string>();
  const written = new Set<string>();
  const underway = new Map<string, SentRequest>();
  const owners = new Map<string, string>();
  const keysOf = new Map<string, Set<string>>();
  const begun = new Set<string>();
  const amounts = new Map<string, number | undefined>();
  const ended = new Map<string, number>();
  /** Clicks that aren't answered. */
  const waiting = new Map<string, number>();
  /** Keys of whoever logs out. */
  let leaving: ReadonlySet<string> = new Set();
  let allowedAll = 0;
  let doubted = false;

  const receipts = () => [...options.effects()] as Receipt[];
  const limit = (cart: string): number => 1 + allowedAll + (allowed.get(cart) ?? 0);
  const add = (counts: Map<string, number>, name: string): void =>
    void counts.set(name, (counts.get(name) ?? 0) + 1);

  return {
    allow(cart, why) {
      world.log(() => `a new action is allowed for ${cart}: ${why}`);
      add(allowed, cart);
    },
    allowAll(why) {
      world.log(() => `a new action is allowed for all: ${why}`);
      allowedAll++;
    },
    keysAreOver() {
      if (!options.strict) this.allowAll('keys are over');
    },
    purging(user, idle) {
      this.allowAll('purge()');
      const own = [...options.records()].filter(({ scope }) => scope === user);
      leaving = new Set(isSound() && idle ? own.map(({ key }) => key) : []);
    },
    purged() {
      for (const { key } of options.records())
        if (isSound() && leaving.has(key)) world.violate('purged, and still there');
    },
    doubt() {
      doubted = true;
      allowedAll++;
    },
    clicked({ cart }) {
      add(waiting, cart);
      for (const [key, said] of rejected) if (said.cart === cart) rejected.delete(key);
    },
    told({ cart }, order, outcome) {
      const { status, key } = outcome;
      if (status !== 'accepted') waiting.set(cart, (waiting.get(cart) ?? 0) - 1);
      world.log(() => `TOLD ${cart} ${order.amount}: ${describe(outcome)}`);
      if (status === 'completed') {
        const receipt = outcome.data as Receipt | undefined;
        const row = receipts().find(({ execution }) => execution === receipt?.execution);
        if (!row || row.key !== key) return world.violate('completed, and it had not happened');
        if (row.user !== order.user || row.cart !== order.cart || row.amount !== order.amount)
          world.violate("another order's answer");
        const text = JSON.stringify(receipt);
        if ((answers.get(key) ?? text) !== text) world.violate('two answers for one key');
        answers.set(key, text);
      }
      if (status === 'unknown' || status === 'in_flight' || status === 'accepted') reopened.add(key);
      if (status !== 'rejected' || IntentConflictError.from(outcome.error)) return;
      if (outcome.problem?.code === 'key_reused')
        return world.violate('a changed order was sent under the same key');
      if (key === undefined) return;
      // Given up by one click before it was sent: another, which waited for it, goes on.
      const isGivenUp = /aborted/.test((outcome.error as Error).message);
      if (isGivenUp && (waiting.get(cart) ?? 0) > 0) return;
      rejected.set(key, { cart, at: world.now() });
      // All that waited for it hear of it at once, and ask for the same answer.
      reopened.add(key);
    },
    resumed(record, outcome, began) {
      const key = outcome.key ?? record.key;
      const said = rejected.get(key);
      world.log(() => `RESUMED ${key}: ${describe(outcome)}`);
      if (outcome.status === 'unknown' || outcome.status === 'in_flight') reopened.add(key);
      const happened = receipts().some((row) => row.key === key);
      if (outcome.status === 'completed' && !happened) world.violate('completed, and it had not happened');
      if (outcome.status === 'completed' && said !== undefined) {
        // With an ill storage a claim may be written long after its page has given it up, and died.
        if (said.at < began && isSound()) world.violate('rejected, and then resumed');
        rejected.delete(key);
      }
      if (outcome.status === 'rejected' && !IntentConflictError.from(outcome.error))
        rejected.set(key, { cart: '', at: world.now() });
    },
    sent(request) {
      const { user, tab } = request;
      for (const [i, key] of request.keys.entries()) {
        const wasSent = owners.has(key);
        const owner = owners.get(key) ?? user;
        owners.set(key, owner);
        if (owner !== user) world.violate("sent as somebody else's");
        if (isSound() && !written.has(key)) world.violate('sent before it was written down');
        const { expiresAt = Infinity, state } = options.recordOf(key) ?? {};
        // What a tab had begun before its machine fell asleep carries its age: the server refuses it.
        const isTold = options.strict && (request.ages[i] ?? 0) >= DAY_S;
        const isBegun = begun.has(`${tab.name} ${key}`) || isTold;
        if (wasSent && !isBegun && options.wallOf(tab) > expiresAt)
          world.violate('sent after its key was over');
        begun.add(`${tab.name} ${key}`);
        const other = underway.get(key);
        // What is done may be asked for by many at once, also when a new action has just struck it out.
        const isDone = state === 'completed' || answers.has(key);
        if (
          isSound() &&
          tabsExclude &&
          !isDone &&
          !reopened.has(key) &&
          other &&
          other.tab !== tab &&
          other.tab.alive
        )
          world.violate('two tabs sent one key at once');
        underway.set(key, request);
        const { cart, amount } = request.orders[i] ?? {};
        if (cart === undefined) continue;
        if ((amounts.get(key) ?? amount) !== amount)
          world.violate('a changed order was sent under the same key');
        amounts.set(key, amount);
        const keys = keysOf.get(cart) ?? new Set();
        keysOf.set(cart, keys.add(key));
        if (isSound() && keys.size > limit(cart) + (ended.get(cart) ?? 0))
          world.violate('one action under two keys');
      }
    },
    over(request) {
      for (const key of request.keys) if (underway.get(key) === request) underway.delete(key);
    },
    written(records) {
      for (const { key } of records) written.add(key);
    },
    struck({ key, intent, state, expiresAt = Infinity }, tab) {
      world.log(() => `struck out: ${key} (${state})`);
      const cart = [...keysOf].find(([, keys]) => keys.has(key))?.[0];
      if (cart === undefined) return;
      // What is done and over is done: the next click is meant anew.
      if (options.strict && state === 'completed' && options.wallOf(tab) > expiresAt)
        this.allow(cart, 'it was done, and its key is over');
      add(ended, cart);
      if (!isSound() || limit(cart) > 1) return;
      if (!receipts().some((row) => row.key === key)) lost.add(key);
      else if (intent !== undefined) world.violate('what is done was forgotten');
    },
    verdict() {
      const keys = new Map<string, number>();
      const carts = new Map<string, number>();
      const charges = new Map<string, number>();
      for (const { key, cart } of receipts()) {
        add(keys, key);
        add(carts, cart);
      }
      for (const { identity } of options.charges()) add(charges, identity);
      for (const key of rejected.keys()) if (keys.has(key)) world.violate('rejected, and it happened');
      for (const key of lost) if (keys.has(key)) world.violate('struck out, and it happened');
      for (const count of keys.values()) if (count > 1) world.violate('two effects under one key');
      for (const [cart, count] of carts) if (count > limit(cart)) world.violate('two effects');
      for (const [cart, count] of charges) if (count > limit(cart)) world.violate('two charges');
    },
  };
}

function describe(outcome: Outcome<unknown>): string {
  const { status, key } = outcome;
  if (status === 'unknown') return `${status} (${outcome.reason}) ${key}`;
  if (status === 'rejected') return `${status} (${(outcome.error as Error)?.message}) ${key}`;
  return `${status} ${key}`;
}
