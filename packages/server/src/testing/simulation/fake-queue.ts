import type { Job } from '@semel/contract/v1/pure';
import type { Consumer, Jobs } from '../../jobs/port.ts';
import type { MemoryTransaction } from '../../store/memory.ts';
import type { Send } from './link.ts';
import type { Owner, World } from './world.ts';

interface Row {
  readonly id: string;
  readonly job: Job;
  /** Delivered again from then on, whoever may be at it. */
  dueAt: number;
}

/** A queue as a reasonable one may be at its worst: it loses jobs, repeats them, and takes anybody's word that one is done. */
export interface FakeQueue {
  jobsOf(owner: Owner): Jobs<MemoryTransaction>;
}

export function createFakeQueue(world: World, send: Send): FakeQueue {
  const { random } = world;
  const rows = new Map<string, Row>();
  const known = new Set<string>();
  const away = (): Error => new Error('the simulated queue was cut off');
  const loses = random.chance(0.5) ? random.between(0, 0.3) : 0;

  function add(job: Job, id: string, delayMs: number): void {
    if (known.has(id)) return;
    known.add(id);
    const lost = world.faulty && random.chance(loses);
    world.log(() => `queue: ${lost ? 'loses' : 'has'} a job, due in ${delayMs} ms`);
    if (!lost) rows.set(id, { id, job, dueAt: world.now() + delayMs });
  }

  function next(): Row | undefined {
    for (const row of rows.values()) {
      if (row.dueAt > world.now()) continue;
      row.dueAt = world.now() + random.between(100, 700);
      if (world.faulty && random.chance(loses)) rows.delete(row.id);
      return row;
    }
    return undefined;
  }

  return {
    jobsOf(owner) {
      const ask = <T>(what: string, act: () => T): Promise<T> =>
        send(owner, { what, unanswered: away, act: async () => act() });
      return {
        async send(tx, job, { id, delayMs }) {
          if (tx === undefined) return ask('send job', () => add(job, id, delayMs));
          tx.onCommit(() => add(job, id, delayMs));
        },
        waiting: (operationIds) =>
          ask('waiting jobs', () => {
            const waiting = new Set([...rows.values()].map(({ job }) => job.operationId));
            return new Set(operationIds.filter((operationId) => waiting.has(operationId)));
          }),
        async consume(deliver, { concurrency }): Promise<Consumer> {
          const running = new Set<Promise<void>>();
          let stopped = false;
          const poll = (): void => {
            world.after(random.between(2, world.faulty ? 40 : 200), owner, () => void look());
          };
          const look = async (): Promise<void> => {
            if (stopped) return;
            if (running.size < concurrency) {
              const row = await ask('fetch job', next).catch(() => undefined);
              if (row !== undefined && !stopped) start(row);
            }
            poll();
          };
          const start = ({ id, job }: Row): void => {
            world.log(() => `${owner.name} gets the job`);
            const delivery = deliver(job)
              .then(() => ask('job done', () => void rows.delete(id)))
              .catch(() => undefined);
            running.add(delivery);
            void delivery.then(() => running.delete(delivery));
          };
          poll();
          return {
            async stop(deadlineMs) {
              stopped = true;
              const late = new Promise<void>((resolve) => void world.after(deadlineMs, owner, resolve));
              await Promise.race([Promise.all(running), late]);
            },
          };
        },
        async close() {},
      };
    },
  };
}
