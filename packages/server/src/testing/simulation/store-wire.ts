import type { MemoryTransaction } from '../../store/memory.ts';
import { type Store, StoreUnavailable } from '../../store/port.ts';
import { fateOf, type OnSend, type Send, type Weather } from './link.ts';
import type { Owner, World } from './world.ts';

const away = (): Error => new StoreUnavailable('the simulated line was cut');

export interface StoreWire {
  readonly world: World;
  readonly weather: Weather;
  readonly send: Send;
  readonly onSend: OnSend;
  /** The store of record, which all processes share. */
  readonly store: Store<MemoryTransaction>;
  /** Until then it can't be reached. */
  readonly outage: { until: number };
  /** Says that a settlement is stored before it is: a mistake. */
  readonly answersBeforeCommit?: boolean;
}

/**
 * The store as one process reaches it: every call is a message, and a transaction is two (BEGIN and COMMIT) with the
 * handler between them. A body runs as its process's code; what has been sent is carried out though its sender be dead.
 */
export function storeAcross(wire: StoreWire, owner: Owner): Store<MemoryTransaction> {
  const { world, store, outage } = wire;
  const ask = <T>(what: string, act: () => Promise<T>, reentrant = false): Promise<T> =>
    wire.send(owner, {
      what,
      reentrant,
      unanswered: away,
      act: () => (world.faulty && world.now() < outage.until ? Promise.reject(away()) : act()),
    });
  const begin = (what: string): Promise<void> => ask(`${what} begin`, async () => undefined);

  /** COMMIT on its way: resolves where the store is. `never` where it gets lost, and then the transaction with it. */
  function commit(what: string): {
    readonly sent: Promise<void>;
    readonly answered: boolean;
    readonly back: number;
  } {
    const fate = fateOf(world, wire.weather);
    world.log(() => `${owner.name} ${what} COMMIT →${fate.arrives ? '' : ' lost'}`);
    wire.onSend(owner, fate);
    const arrives = fate.arrives && !(world.faulty && world.now() < outage.until);
    const sent = new Promise<void>((resolve) => {
      if (arrives) world.after(fate.there, undefined, resolve);
    });
    return { sent, answered: arrives && fate.answered, back: arrives ? fate.back : fate.givenUpAfter };
  }

  /** Runs a transaction of the store with its body on this side of the line. */
  function transaction<End, Result>(
    what: string,
    run: (body: (tx: MemoryTransaction) => Promise<End>) => Promise<Result>,
    body: (tx: MemoryTransaction) => Promise<End>,
    unknown: () => Result,
    hop: boolean,
  ): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      let sending: ReturnType<typeof commit> | undefined;
      const answer = (act: () => void): void => {
        if (sending?.answered === false) return;
        world.after(sending?.back ?? 0, owner, act);
      };
      run(async (tx) => {
        // The handler goes on in its own process, once it has heard that the transaction is open.
        if (hop) await new Promise<void>((open) => world.after(world.random.between(0.05, 2), owner, open));
        const end = await body(tx);
        const sent = commit(what);
        sending = sent;
        if (!sent.answered) world.after(sent.back, owner, () => resolve(unknown()));
        await sent.sent;
        return end;
      }).then(
        (result) => {
          world.log(() => `${owner.name} ${what}: ${(result as { kind: string }).kind}`);
          answer(() => resolve(result));
        },
        (error: unknown) => {
          world.log(() => `${owner.name} ${what}: ${String(error)}`);
          answer(() => reject(error));
        },
      );
    });
  }
  const lostCommit = () => ({ kind: 'unknown', cause: away() }) as const;

  return {
    capabilities: store.capabilities,
    lookup: (identity) => ask('lookup', () => store.lookup(identity), true),
    claim: (request) => ask('claim', () => store.claim(request), true),
    take: (request, seen, cause) => ask(`take ${cause}`, () => store.take(request, seen, cause), true),
    suspendOrphan: (seen, trace) => ask('suspendOrphan', () => store.suspendOrphan(seen, trace), true),
    settle(claim, settlement, trace) {
      const sent = ask(`settle ${settlement.to}`, () => store.settle(claim, settlement, trace), true);
      if (!wire.answersBeforeCommit) return sent;
      sent.catch(() => undefined);
      return Promise.resolve({ kind: 'settled' });
    },
    renew: (claims) => ask('renew', () => store.renew(claims), true),
    recordStep: (claim, step, trace) =>
      ask(`recordStep ${step.name}`, () => store.recordStep(claim, step, trace), true),
    steps: (operationId) => ask('steps', () => store.steps(operationId), true),
    async transact(claim, body, options) {
      await begin('transact');
      return transaction(
        'transact',
        (bodyThere) => store.transact(claim, bodyThere, options),
        body,
        lostCommit,
        false,
      );
    },
    async atomically(request, body) {
      await begin('atomically');
      return transaction(
        'atomically',
        (bodyThere) => store.atomically(request, bodyThere),
        body,
        lostCommit,
        true,
      );
    },
    savepoint: (tx, body) => store.savepoint(tx, body),
    queue: {
      async enqueue(request, send) {
        await begin('enqueue');
        return ask('enqueue', () => store.queue.enqueue(request, send), true);
      },
      start: (request) => ask('start', () => store.queue.start(request), true),
      work: (operationId) => ask('work', () => store.queue.work(operationId), true),
      recordProgress: (claim, value) => ask('progress', () => store.queue.recordProgress(claim, value), true),
      progress: (operationId) => ask('progress', () => store.queue.progress(operationId), true),
      stranded: (options) => ask('stranded', () => store.queue.stranded(options), true),
      backlog: () => ask('backlog', () => store.queue.backlog(), true),
    },
    decisions: {
      resolve: (id, body, decision) => ask('resolve', () => store.decisions.resolve(id, body, decision)),
      redrive: (id, options, send, decision) =>
        ask('redrive', () => store.decisions.redrive(id, options, send, decision)),
      release: (id, decision) => ask('release', () => store.decisions.release(id, decision)),
      cancel: (id, outcome, decision) => ask('cancel', () => store.decisions.cancel(id, outcome, decision)),
      offer: (options) => ask('offer', () => store.decisions.offer(options)),
      undecided: (id) => ask('undecided', () => store.decisions.undecided(id), true),
      list: (filter) => ask('list', () => store.decisions.list(filter), true),
      decisions: (id) => ask('decisions', () => store.decisions.decisions(id), true),
    },
    recordRejected: (rejection) => ask('recordRejected', () => store.recordRejected(rejection)),
    find: (operationId) => ask('find', () => store.find(operationId), true),
    history: (operationId) => ask('history', () => store.history(operationId), true),
    rejected: (operationId) => ask('rejected', () => store.rejected(operationId), true),
    sweepOrphans: (options) => ask('sweepOrphans', () => store.sweepOrphans(options), true),
    sweepExpired: (options) => ask('sweepExpired', () => store.sweepExpired(options), true),
    purge: (request) => ask('purge', () => store.purge(request), true),
    purged: (operationId) => ask('purged', () => store.purged(operationId), true),
    ping: () => ask('ping', () => store.ping()),
    close: async () => undefined,
  };
}
