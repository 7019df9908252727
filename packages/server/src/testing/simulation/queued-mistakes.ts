import { type Mistake, mistaken, mistakenAboutTime } from './mistakes.ts';

/** What a reasonable person might write about queued work, in the store or in a handler. */
export const QUEUED_MISTAKES = {
  'a job delivered again starts beside its owner': {
    found: 'taken over while its lease runs',
    store: mistakenAboutTime((right, at) => ({
      queue: { ...right.queue, start: (request) => at(600_000, () => right.queue.start(request)) },
    })),
  },
  'a start that looks first and writes later': {
    found: 'one attempt ran twice',
    store: mistaken((right, _clock, world) => ({
      queue: {
        ...right.queue,
        async start(request) {
          const before = await right.find(request.operationId);
          await new Promise<void>((resolve) => void world.after(40, undefined, resolve));
          const result = await right.queue.start(request);
          const work = await right.queue.work(request.operationId);
          if (before?.record.state !== 'accepted' || result.kind !== 'not_now' || work === undefined)
            return result;
          if (result.record.state !== 'processing') return result;
          return { kind: 'started', claim: { ...result.record, now: result.now }, work, cause: 'started' };
        },
      },
    })),
  },
  'work that lost its job is nobody’s business': {
    found: 'stuck: accepted',
    store: mistaken((right) => ({ queue: { ...right.queue, stranded: async () => [] } })),
  },
  'a last attempt that was lost is nobody’s business': {
    found: 'stuck: accepted',
    store: mistaken(() => ({ sweepOrphans: async () => ({ examined: 0, changed: [], complete: true }) })),
  },
  'whatever failed is tried again': {
    found: 'two charges',
    store: mistaken((right) => ({
      settle: (claim, settlement, trace) =>
        right.settle(
          claim,
          settlement.to === 'suspended' && claim.policy.mode === 'queued'
            ? { to: 'accepted', cause: 'rescheduled', delayMs: 0, lastError: '""' }
            : settlement,
          trace,
        ),
    })),
  },
  'a queued child key made from the attempt': { found: 'two charges', childKeyFromAttempt: true },
  'a redrive that does not look at the state': {
    found: 'redriven twice',
    store: mistaken((right) => ({
      decisions: {
        ...right.decisions,
        async redrive(operationId, options, send, decision) {
          const result = await right.decisions.redrive(operationId, options, send, decision);
          return result.kind === 'not_now' && result.record.state === 'accepted'
            ? { kind: 'done', record: result.record }
            : result;
        },
      },
    })),
  },
  'recorded steps are lost when it is put back': {
    found: 'two effects',
    store: mistaken((right) => {
      const put = new Set<string>();
      return {
        async settle(claim, settlement, trace) {
          if (settlement.to === 'accepted') put.add(claim.operationId);
          return right.settle(claim, settlement, trace);
        },
        steps: async (operationId) => (put.has(operationId) ? [] : right.steps(operationId)),
        async transact(claim, body, options) {
          if (!put.has(claim.operationId)) return right.transact(claim, body, options);
          // The table of steps was emptied: nothing is in the way of the same name.
          return right.transact(
            claim,
            async (tx) => {
              const end = await body(tx);
              return end.kind === 'step'
                ? { ...end, step: { ...end.step, name: `${end.step.name} ${claim.attempt}` } }
                : end;
            },
            options,
          );
        },
      };
    }),
  },
} as const satisfies Record<string, Mistake>;

export type QueuedMistakeName = keyof typeof QUEUED_MISTAKES;
