import type { QueueStore, Stranded } from '../store/queue-port.ts';
import type { Emit } from '../telemetry/events.ts';
import { healedJobId, jobId } from './job-id.ts';
import { jobOf } from './job-of.ts';
import type { Jobs } from './port.ts';

export interface HealOptions {
  /** Operations in one page. */
  readonly limit: number;
  /** Work that is due for no longer than this may still be on its way through the queue. */
  readonly graceMs: number;
}

/** Looked at in one go; the next goes on behind them. */
const MAX_PAGES = 10;
/** Sent by this process: remembered so that the same is neither sent nor counted each time that it looks. */
const MAX_REMEMBERED = 10_000;

/**
 * Gives queued operations that have lost their job (a queue that forgot, a send that didn't come through, a worker that died)
 * another. Any number of servers may do so at once: a job too many is refused by the record.
 *
 * It walks from those due longest to the others, and begins again at the end: any number that only wait for their turn (or for
 * another deployment) hide none behind them.
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
  let after: Pick<Stranded, 'dueAt' | 'operationId'> | undefined;

  async function healAll(stranded: readonly Stranded[]): Promise<number> {
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
    return healed;
  }

  return async ({ limit, graceMs }) => {
    let healed = 0;
    for (let page = 0; page < MAX_PAGES; page++) {
      const stranded = await queue.stranded({ limit, graceMs, after });
      healed += await healAll(stranded);
      // Only then: what a queue that is away didn't take is met again, by the next look.
      after = stranded.length < limit ? undefined : stranded.at(-1);
      if (after === undefined) break;
    }
    return healed;
  };
}
