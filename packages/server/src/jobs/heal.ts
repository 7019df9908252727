import type { QueueStore } from '../store/queue-port.ts';
import type { Emit } from '../telemetry/events.ts';
import { healedJobId, jobId } from './job-id.ts';
import { jobOf } from './job-of.ts';
import type { Jobs } from './port.ts';

export interface HealOptions {
  readonly limit: number;
  /** Work that is due for no longer than this may still be on its way through the queue. */
  readonly graceMs: number;
}

/** How many that only wait for their turn are looked past, at most. */
const MAX_WAITING = 5_000;
/** Sent by this process: remembered so that the same is neither sent nor counted each time that it looks. */
const MAX_REMEMBERED = 10_000;

/**
 * Gives queued operations that have lost their job (a queue that forgot, a send that didn't come through, a worker that died)
 * another. Any number of servers may do so at once: a job too many is refused by the record.
 */
export function createHealer<Tx>({
  queue,
  jobs,
  emit,
}: {
  readonly queue: Pick<QueueStore<Tx>, 'stranded'>;
  readonly jobs: Jobs<Tx>;
  readonly emit: Emit;
}): (options: HealOptions) => Promise<number> {
  const remembered = new Set<string>();
  /** Of the last batch, if it was full: the oldest that wait (for another deployment, perhaps) must not hide all others. */
  let waitingAhead = 0;

  return async ({ limit, graceMs }) => {
    const most = limit + waitingAhead;
    const stranded = await queue.stranded({ limit: most, graceMs });
    waitingAhead = 0;
    if (stranded.length === 0) return 0;
    const waiting = await jobs.waiting(stranded.map(({ operationId }) => operationId));
    let healed = 0;
    for (const operation of stranded) {
      const { operationId, scope, procedure, state, version } = operation;
      const waits = waiting.has(operationId);
      // Its job waits behind others.
      if (waits && state === 'accepted') continue;
      // The job of a lost attempt may be with the dead for long: another at once, and one is enough, whoever finds it first.
      // Where there is none at all the id has to be new: the queue may remember that of a job that is gone.
      const id = waits ? jobId(operationId, version) : healedJobId(operationId, version);
      if (waits && remembered.has(id)) continue;
      await jobs.send(undefined, jobOf(operation), { id, delayMs: 0 });
      if (remembered.size >= MAX_REMEMBERED) remembered.clear();
      remembered.add(id);
      healed++;
      emit({ type: 'healed', state, operationId, scope, procedure });
    }
    if (stranded.length >= most) waitingAhead = Math.min(stranded.length - healed, MAX_WAITING);
    return healed;
  };
}
