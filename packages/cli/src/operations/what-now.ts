import type { OperationView } from '@semel/server';
import { duration } from '../terminal/ages.ts';

/** What an operator may do about an operation as it is, best first. Advice: the store decides when it is done. */
export function whatNow(operation: OperationView, now: number): readonly string[] {
  const { state, mode, attempt, windowEndsAt, version } = operation;
  const id = `${operation.operationId} --seen ${version}`;
  const isOpen = windowEndsAt > now;
  const resolve = [
    `semel operations resolve ${id} --completed <json> --reason …        it happened: what callers get`,
    `semel operations resolve ${id} --failed <status,code,message> --reason …   it didn't, and won't`,
  ];
  switch (state) {
    case 'suspended':
    case 'dead': {
      if (!isOpen) {
        return [
          `It may not run again: other services may have forgotten its keys ${duration(now - windowEndsAt)} ago. Find out what happened, then`,
          ...resolve,
        ];
      }
      const again =
        mode === 'queued'
          ? `semel operations redrive ${id} --reason …   runs again, with its recorded steps`
          : `semel operations release ${id} --reason …   the caller's next retry runs it, with its recorded steps`;
      return [again, ...resolve];
    }
    case 'accepted':
      return attempt === 0
        ? [`A worker takes it when it is due. semel operations cancel ${id} --reason …   while none has`]
        : [
            'A worker tries again when it is due. It may have had effects, so it can be decided about only once it is dead.',
          ];
    case 'processing':
      return [
        'Nothing: an attempt is at it. If its server has died it is recovered when its lease has run out.',
      ];
    case 'released':
      return ["Nothing: the caller's next retry runs it."];
    case 'completed':
    case 'failed':
      return [
        `Nothing: it is settled, and every retry gets its answer. semel operations purge --operation ${operation.operationId} erases that.`,
      ];
  }
}
