import type { OperationView } from '@semel/server';
import { duration } from '../terminal/ages.ts';
import { printable } from '../terminal/printable.ts';

/** What an operator may do about an operation as it is, best first. Advice: the store decides when it is done. */
export function whatNow(operation: OperationView, now: number): readonly string[] {
  const { state, mode, attempt, windowEndsAt, version } = operation;
  const id = `${operation.operationId} --seen ${version}`;
  const isOpen = windowEndsAt > now;
  const resolve = [
    `semel operations resolve ${id} --completed <json> --reason …        it happened: what callers get (and nothing else is written)`,
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
      const [command, runs] =
        mode === 'queued' ? ['redrive', 'it runs again'] : ['release', "the caller's next retry runs it"];
      const unless = state === 'suspended' ? "it didn't, or the other side knows its key again: " : '';
      const again = `semel operations ${command} ${id} --reason …   ${unless}${runs}, with its recorded steps`;
      // Dead: every attempt is known to have failed. Suspended: nobody knows, and running again may do it twice.
      return state === 'dead' ? [again, ...resolve] : [...howToFindOut(operation), ...resolve, again];
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

function howToFindOut({ failedStep }: OperationView): readonly string[] {
  const asked =
    failedStep === undefined
      ? ''
      : `, which knows step '${printable(failedStep.name)}' by ${printable(failedStep.childKey)}`;
  return [`Nobody knows whether it happened. Ask the other side${asked}. Then`];
}
