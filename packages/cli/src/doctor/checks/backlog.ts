import { openSemel } from '../../connect/open-semel.ts';
import { count, duration } from '../../terminal/ages.ts';
import { printable } from '../../terminal/printable.ts';
import { type Check, ok, warning } from '../check.ts';
import type { Examination } from '../examination.ts';

const DUE_TOO_LONG_MS = 2 * 60_000;

/** What waits: for a person, for a resolver, for a worker. */
export const checkBacklog: Examination = async ({ settings }) => {
  const { semel, close } = await openSemel(settings);
  try {
    const lines = await semel.store.queue.backlog();
    const sum = (state: string) => {
      const those = lines.filter((line) => line.state === state);
      const worst = those.toSorted((a, b) => b.oldestMs - a.oldestMs)[0];
      return {
        n: those.reduce((total, line) => total + line.count, 0),
        oldestMs: worst?.oldestMs ?? 0,
        worst: printable(worst?.procedure ?? ''),
      };
    };
    return [
      undecided('dead', sum('dead')),
      undecided('suspended', sum('suspended')),
      waiting(sum('accepted')),
    ];
  } finally {
    await close();
  }
};

interface Sum {
  readonly n: number;
  readonly oldestMs: number;
  /** Procedure of the oldest. */
  readonly worst: string;
}

function undecided(state: 'dead' | 'suspended', { n, oldestMs, worst }: Sum): Check {
  const name = `backlog.${state}`;
  if (n === 0) return ok(name, 'none');
  return warning(
    name,
    `${count(n, 'operation')}, the oldest for ${duration(oldestMs)} (${worst})`,
    state === 'dead'
      ? 'Their retries have run out: nothing happens until somebody decides, and their window closes meanwhile.'
      : 'Nobody knows whether they happened: callers get outcome_unknown until somebody decides.',
    `semel operations list --state ${state}; see docs/runbooks.`,
  );
}

function waiting({ n, oldestMs, worst }: Sum): Check {
  const name = 'backlog.queued';
  if (n === 0) return ok(name, 'nothing waits for a worker');
  const found = `${count(n, 'operation')}, the oldest due for ${duration(oldestMs)} (${worst})`;
  if (oldestMs < DUE_TOO_LONG_MS) return ok(name, found);
  return warning(
    name,
    found,
    'No worker takes them, or too few do: callers see accepted for that long.',
    'Start workers, or more of them; see docs/runbooks/queue-grows.md.',
  );
}
