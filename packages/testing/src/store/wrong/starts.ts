import { mistaken, mistakenAboutTime, mistakenInQueue, type WrongStore } from './wrong-store.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Mistakes in handing work to workers. */
export const wrongStarts: readonly WrongStore[] = [
  {
    mistake: 'starts by reading first and writing later',
    caughtBy: ['lets exactly one of 16 simultaneous deliveries start'],
    make: mistakenInQueue((right) => ({
      async start(request) {
        const before = await right.find(request.operationId);
        const work = await right.queue.work(request.operationId);
        await turn();
        const result = await right.queue.start(request);
        if (result.kind !== 'not_now' || before?.record.state !== 'accepted' || !work) return result;
        const claim = { ...result.record, owner: request.owner, attempt: 1, now: result.now };
        return { kind: 'started', claim, work, cause: 'started' };
      },
    })),
  },
  {
    mistake: 'starts work that a live attempt holds',
    caughtBy: [
      'starts nothing that an attempt holds, that is settled or that waits for a decision',
      'starts again for the delivery whose answer was lost, and only for that one',
      'gives work whose lease ran out to the next delivery, and not before',
      'takes no work from an attempt that was renewed',
    ],
    make: mistakenInQueue((right) => ({
      async start(request) {
        const result = await right.queue.start(request);
        const work = await right.queue.work(request.operationId);
        if (result.kind !== 'not_now' || result.record.state !== 'processing' || !work) return result;
        const { record, now } = result;
        const claim = { ...record, owner: request.owner, attempt: record.attempt + 1, now };
        return { kind: 'started', claim, work, cause: 'overtaken' };
      },
    })),
  },
  {
    mistake: 'does not recognise the owner of a start',
    caughtBy: ['starts again for the delivery whose answer was lost, and only for that one'],
    make: mistakenInQueue((right) => ({
      async start(request) {
        const found = await right.find(request.operationId);
        return found?.record.owner === request.owner
          ? { kind: 'not_now', ...found }
          : right.queue.start(request);
      },
    })),
  },
  {
    mistake: 'counts the downstream window from the enqueueing',
    caughtBy: ['counts the downstream window from the first start, however long the work had waited'],
    make: mistakenInQueue((right) => ({
      async start(request) {
        const result = await right.queue.start(request);
        if (result.kind !== 'started') return result;
        const { claim } = result;
        return { ...result, claim: { ...claim, firstClaimedAt: claim.createdAt } };
      },
    })),
  },
  {
    mistake: 'hands no work to the worker that takes over',
    caughtBy: ['gives work whose lease ran out to the next delivery, and not before'],
    make: mistakenInQueue((right) => ({
      async start(request) {
        const result = await right.queue.start(request);
        return result.kind === 'started' && result.cause === 'overtaken'
          ? { ...result, work: { principal: '', input: '' } }
          : result;
      },
    })),
  },
  {
    mistake: 'starts work before it is due, for a job that came too early',
    caughtBy: ['starts no work before it is due, whatever job comes, and says when that is'],
    make: mistakenAboutTime((right, at) => ({
      queue: {
        ...right.queue,
        async start(request) {
          const result = await right.queue.start(request);
          return result.kind === 'early' ? at(result.dueInMs, () => right.queue.start(request)) : result;
        },
      },
    })),
  },
  {
    mistake: 'suspends a queued orphan that is out of attempts',
    caughtBy: [
      'declares queued orphans dead that are only out of attempts, and suspends those that may not go on',
      'grants so many attempts, and then the work is dead again',
    ],
    make: mistaken((right) => {
      const known = new Set<string>();
      return {
        queue: {
          ...right.queue,
          start: (request) => {
            known.add(request.operationId);
            return right.queue.start(request);
          },
        },
        async sweepOrphans(options) {
          for (const operationId of known) {
            const record = (await right.find(operationId))?.record;
            if (record && record.attempt >= record.policy.maxAttempts)
              await right.suspendOrphan(record, options.trace);
          }
          return right.sweepOrphans(options);
        },
      };
    }),
  },
];
