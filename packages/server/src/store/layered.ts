import type { Decided, DecisionStore } from './decision-port.ts';
import { entryFromRecord, type SettledEntry } from './layer-entry.ts';
import type { Layers } from './layers.ts';
import type { Claim, OperationRecord, Settlement, Sighting, Store, TransactionEnd } from './port.ts';
import type { QueueStore } from './queue-port.ts';

/**
 * The authority, with the layers told what it says: a settlement once its commit was acknowledged, a settled record once it
 * was shown. Every call goes to the authority and its answer is the authority's; nobody waits for a layer here, but for
 * `purge`.
 */
export function layeredStore<Tx>(authority: Store<Tx>, layers: Layers): Store<Tx> {
  function shown(sighting: Sighting): void {
    const entry = entryFromRecord(sighting.record);
    if (entry !== undefined) layers.keep(entry, entry.expiresAt - sighting.now);
  }

  /** @param sentAt before the write was sent: the time left is never overestimated */
  function settled(
    claim: Omit<SettledEntry, 'state' | 'outcome' | 'expiresAt'> & Pick<Claim, 'owner' | 'policy'>,
    settlement: Settlement,
    expiresAt: number | undefined,
    sentAt: number,
  ): void {
    if (!('outcome' in settlement) || expiresAt === undefined) return;
    const { scope, procedure, key, operationId, fingerprint, attempt } = claim;
    const { to: state, outcome } = settlement;
    const entry = { scope, procedure, key, operationId, fingerprint, attempt, state, outcome, expiresAt };
    layers.keep(entry, claim.policy.ttlMs - (performance.now() - sentAt), claim.owner);
  }

  return {
    capabilities: authority.capabilities,
    queue: queueBehind(authority.queue, shown),
    decisions: decisionsBehind(authority.decisions, shown),
    suspendOrphan: (seen, trace) => authority.suspendOrphan(seen, trace),
    recordStep: (claim, step, trace) => authority.recordStep(claim, step, trace),
    steps: (operationId) => authority.steps(operationId),
    savepoint: (tx, body) => authority.savepoint(tx, body),
    recordRejected: (rejection) => authority.recordRejected(rejection),
    find: (operationId) => authority.find(operationId),
    history: (operationId) => authority.history(operationId),
    rejected: (operationId) => authority.rejected(operationId),
    sweepOrphans: (options) => authority.sweepOrphans(options),
    sweepExpired: (options) => authority.sweepExpired(options),
    purged: (operationId) => authority.purged(operationId),
    ping: () => authority.ping(),
    close: () => authority.close(),

    async lookup(identity) {
      const found = await authority.lookup(identity);
      if (found !== undefined) shown(found);
      return found;
    },
    async claim(request) {
      const result = await authority.claim(request);
      if (!result.won) shown(result);
      return result;
    },
    async take(request, seen, cause) {
      const result = await authority.take(request, seen, cause);
      if (!result.won) shown(result);
      return result;
    },
    async settle(claim, settlement, trace) {
      const sentAt = performance.now();
      const result = await authority.settle(claim, settlement, trace);
      if (result.kind === 'settled') settled(claim, settlement, result.expiresAt, sentAt);
      return result;
    },
    async renew(claims) {
      const results = await authority.renew(claims);
      for (const { operationId, attempt, renewed } of results) {
        const claim =
          renewed && claims.find((one) => one.operationId === operationId && one.attempt === attempt);
        if (claim) layers.renew(claim, { owner: claim.owner, attempt }, claim.policy.leaseMs);
      }
      return results;
    },
    async transact(claim, body, options) {
      let last: TransactionEnd<unknown> | undefined;
      const sentAt = performance.now();
      const result = await authority.transact(
        claim,
        async (tx) => {
          const end = await body(tx);
          last = end;
          return end;
        },
        options,
      );
      if (result.kind === 'committed' && last?.kind === 'settle') {
        settled(claim, last.settlement, result.expiresAt, sentAt);
      }
      return result;
    },
    async atomically(request, body) {
      let last: Settlement | undefined;
      let continued: OperationRecord | undefined;
      const sentAt = performance.now();
      const result = await authority.atomically(
        {
          ...request,
          mayRun(found) {
            continued = found?.record;
            return request.mayRun(found);
          },
        },
        async (tx) => {
          const end = await body(tx);
          last = end.settlement;
          return end;
        },
      );
      if (result.kind === 'existing') shown(result);
      if (result.kind === 'settled' && last !== undefined) {
        const { operationId, attempt, expiresAt } = result;
        // A released operation goes on under its own id and keeps its fingerprint.
        const kept = operationId === request.operationId ? request : continued;
        if (kept?.operationId === operationId) {
          const { fingerprint } = kept;
          settled({ ...request, operationId, attempt, fingerprint }, last, expiresAt, sentAt);
        }
      }
      return result;
    },
    async purge(request) {
      const report = await authority.purge(request);
      // Those purged before as well: whoever did that may have died before the layers were told.
      await Promise.all(
        [...report.purged, ...report.purgedBefore].map(async (operationId) => {
          // Gone by now means expired: then nobody replays it either.
          const found = await authority.find(operationId);
          if (found !== undefined) await layers.forget(found.record);
        }),
      );
      return report;
    },
  };
}

/**
 * Nothing of what waits or runs is ever in a layer: only what is settled, which these show where they meet it. So enqueueing,
 * starting and redriving have nothing to take out.
 */
function queueBehind<Tx>(queue: QueueStore<Tx>, shown: (sighting: Sighting) => void): QueueStore<Tx> {
  return {
    async enqueue(request, send) {
      const result = await queue.enqueue(request, send);
      if (!result.won) shown(result);
      return result;
    },
    async start(request) {
      const result = await queue.start(request);
      if (result.kind === 'not_now') shown(result);
      return result;
    },
    work: (operationId) => queue.work(operationId),
    recordProgress: (claim, value) => queue.recordProgress(claim, value),
    progress: (operationId) => queue.progress(operationId),
    stranded: (options) => queue.stranded(options),
    backlog: () => queue.backlog(),
  };
}

/** A resolved or cancelled operation is settled from then on: its next retry needs no statement. */
function decisionsBehind<Tx>(
  decisions: DecisionStore<Tx>,
  shown: (sighting: Sighting) => void,
): DecisionStore<Tx> {
  function settled(decided: Decided): Decided {
    // It was changed just now, by the store's clock.
    if (decided.kind === 'done') shown({ record: decided.record, now: decided.record.updatedAt });
    return decided;
  }
  return {
    resolve: async (operationId, body, decision) =>
      settled(await decisions.resolve(operationId, body, decision)),
    cancel: async (operationId, outcome, decision) =>
      settled(await decisions.cancel(operationId, outcome, decision)),
    redrive: (operationId, options, send, decision) =>
      decisions.redrive(operationId, options, send, decision),
    release: (operationId, decision) => decisions.release(operationId, decision),
    offer: (options) => decisions.offer(options),
    undecided: (operationId) => decisions.undecided(operationId),
    list: (filter) => decisions.list(filter),
    decisions: (operationId) => decisions.decisions(operationId),
  };
}
