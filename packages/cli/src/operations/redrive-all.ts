import type {
  DecidedBy,
  DecisionResult,
  OperationListFilter,
  OperationView,
  RedriveOptions,
  Semel,
} from '@semel/server';
import { type Terminal, textOf } from '../command.ts';
import { count } from '../terminal/ages.ts';
import { painter } from '../terminal/paint.ts';

export interface RedriveAll {
  readonly filter: Omit<OperationListFilter, 'limit' | 'after'>;
  readonly limit: number;
  readonly how: DecidedBy & RedriveOptions;
  /** Asked once, before the first queued one is sent to its queue. @throws where that isn't there */
  readonly requireQueue: () => Promise<void>;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly terminal: Terminal;
}

interface Summary {
  done: number;
  /** By kind: somebody else was faster, the window has closed… */
  readonly refused: Record<'not_now' | 'window_passed' | 'absent', string[]>;
  readonly errors: { readonly operationId: string; readonly error: string }[];
  interrupted: boolean;
  readonly dryRun: boolean;
}

/** At a time; each is a transaction of its own. */
const AT_ONCE = 2;
/** A store that refuses this many in a row is away, or wrong: the rest waits where it is. */
const MAX_ERRORS = 10;

/** One by one, in the order of their ids, so that what is decided meanwhile doesn't move the rest. @returns the exit code */
export async function redriveAll(semel: Semel, options: RedriveAll): Promise<number> {
  const { terminal, dryRun } = options;
  const summary: Summary = {
    done: 0,
    refused: { not_now: [], window_passed: [], absent: [] },
    errors: [],
    interrupted: false,
    dryRun,
  };
  let queue: Promise<void> | undefined;
  const requireQueue = (): Promise<void> => (queue ??= options.requireQueue());
  const each = { ...options, requireQueue };
  let seen = 0;
  for await (const operations of chunks(semel, options)) {
    if (terminal.interrupted.aborted || summary.errors.length >= MAX_ERRORS) {
      summary.interrupted = terminal.interrupted.aborted;
      break;
    }
    await Promise.all(operations.map((operation) => redriveOne(semel, operation, each, summary)));
    seen += operations.length;
    terminal.progress?.(`${seen} looked at, ${summary.done} redriven. Ctrl-C stops`);
  }
  terminal.progress?.('');
  terminal.write(options.json ? `${JSON.stringify(summary, null, 2)}\n` : render(summary, terminal));
  if (summary.interrupted) return 130;
  const { refused, errors } = summary;
  const left = refused.window_passed.length + refused.absent.length + refused.not_now.length + errors.length;
  return left > 0 ? 1 : 0;
}

async function* chunks(
  semel: Semel,
  { filter, limit }: RedriveAll,
): AsyncGenerator<readonly OperationView[]> {
  let after: string | undefined;
  let left = limit;
  do {
    const page = await semel.decisions.list({
      ...filter,
      limit: Math.min(200, left),
      ...(after !== undefined && { after }),
    });
    for (let i = 0; i < page.operations.length; i += AT_ONCE) yield page.operations.slice(i, i + AT_ONCE);
    left -= page.operations.length;
    after = page.next;
  } while (after !== undefined && left > 0);
}

async function redriveOne(
  semel: Semel,
  { operationId, mode, version }: OperationView,
  { how, dryRun, requireQueue }: RedriveAll,
  summary: Summary,
): Promise<void> {
  if (dryRun) {
    summary.done++;
    return;
  }
  let result: DecisionResult;
  try {
    if (mode === 'queued') await requireQueue();
    result = await semel.decisions.redrive(operationId, { ...how, version });
  } catch (error) {
    summary.errors.push({ operationId, error: textOf(error) });
    return;
  }
  if (result.kind === 'done') summary.done++;
  else summary.refused[result.kind].push(operationId);
}

function render({ done, refused, errors, interrupted, dryRun }: Summary, terminal: Terminal): string {
  const paint = painter(terminal);
  if (dryRun) return `${count(done, 'operation')} would be redriven\n`;
  const lines = [paint('bold', `${count(done, 'operation')} redriven`)];
  const group = (ids: readonly string[], what: string): void => {
    if (ids.length === 0) return;
    lines.push(`${paint('yellow', count(ids.length, 'operation'))} ${what}`);
    lines.push(...ids.slice(0, 10).map((id) => `  ${id}`));
    if (ids.length > 10) lines.push(`  and ${ids.length - 10} more: --json names them all`);
  };
  group(refused.not_now, 'left alone: decided about by somebody else meanwhile, or not to be run again');
  group(
    refused.window_passed,
    'may not run again, the window has closed: find out what happened, then resolve',
  );
  group(refused.absent, 'gone meanwhile');
  group(
    errors.map(({ operationId, error }) => `${operationId}: ${error}`),
    'could not be asked about: run it again',
  );
  if (interrupted) lines.push('Stopped. What was redriven stays so; the same command goes on with the rest.');
  else if (errors.length >= MAX_ERRORS)
    lines.push('Given up: too many errors. The same command goes on with the rest.');
  return `${lines.join('\n')}\n`;
}
