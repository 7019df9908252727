import type { OperationDetails } from '@semel/server';
import { duration, moment } from '../terminal/ages.ts';
import { painter, paintState } from '../terminal/paint.ts';
import { printable } from '../terminal/printable.ts';
import { type Column, rowsOf, titles, widths } from '../terminal/table.ts';
import { whatNow } from './what-now.ts';

/** A page about one operation, the most asked first: what is it, how does it stand, what can be done, how did it get there. */
export function renderOperation(
  details: OperationDetails,
  sealed: { readonly key: string; readonly readable: boolean } | undefined,
  terminal: { readonly colours: boolean; readonly columns?: number },
): string {
  const paint = painter(terminal);
  const { operation, runs, history, rejected, steps, decisions, offeredAt, work, progress, purged, now } =
    details;
  const { policy, failedStep, state } = operation;
  const isSettled = state === 'completed' || state === 'failed';
  const at = (ms: number): string => moment(ms, now);
  const lines: string[] = [];

  const facts = (pairs: readonly (readonly [string, string | undefined])[]): void => {
    for (const [name, value] of pairs) {
      if (value !== undefined) lines.push(`  ${paint('dim', name.padEnd(20))}${value}`);
    }
  };
  const section = (title: string): void => void lines.push('', paint('bold', title));
  function table<Row>(title: string, columns: readonly Column<Row>[], rows: readonly Row[]): void {
    if (rows.length === 0) return;
    section(title);
    const wide = widths(columns, rows, terminal.columns === undefined ? undefined : terminal.columns - 2);
    const text = titles(columns, wide, paint) + rowsOf(columns, wide, rows, paint);
    lines.push(
      ...text
        .trimEnd()
        .split('\n')
        .map((line) => `  ${line}`),
    );
  }

  const lastError =
    operation.lastError === undefined ? operation.lastErrorSealed && SEALED : printable(operation.lastError);
  lines.push(`${paint('bold', printable(operation.operationId))}  ${paintState(paint, operation.state)}`);
  facts([
    ['procedure', printable(operation.procedure)],
    ['scope', printable(operation.scope)],
    ['key', printable(operation.key)],
    ['attempt', `${operation.attempt} of ${policy.maxAttempts}`],
    [
      'runs so far',
      runs === operation.attempt ? `${runs}` : `${runs}; decisions take numbers of attempts too`,
    ],
    ['created', at(operation.createdAt)],
    ['last change', `${at(operation.updatedAt)}, version ${operation.version}`],
    ['lease ends', operation.leaseUntil === undefined ? undefined : at(operation.leaseUntil)],
    ['may run again till', isSettled ? undefined : at(operation.windowEndsAt)],
    ['expires', operation.expiresAt === undefined ? undefined : at(operation.expiresAt)],
    ['principal', work && printable(work.principal)],
    ['due', work && at(work.dueAt)],
    ['who decides', operation.deadLetterOwner && printable(operation.deadLetterOwner)],
    ['offered', offeredAt === undefined ? undefined : `${at(offeredAt)}, to its resolver if it has one`],
    [
      'progress',
      progress &&
        `${printable(JSON.stringify(progress.value))} (attempt ${progress.attempt}, ${at(progress.at)})`,
    ],
    ['last error', lastError && paint('red', lastError)],
    ['key of that step', failedStep && printable(failedStep.childKey)],
    ['purged', purged && `${at(purged.at)} by ${printable(purged.actor)}: ${printable(purged.reason)}`],
    ['sealed', sealed && (sealed.readable ? `under key ${sealed.key}` : unreadable(sealed.key))],
  ]);

  section('What can be done');
  lines.push(...whatNow(operation, now).map((line) => `  ${line}`));

  section('Claimed under');
  facts([
    ['mode', `${policy.mode}, ${policy.onCrash} after a crash`],
    ['lease', `${duration(policy.leaseMs)}, at most ${duration(policy.maxRunMs)} a run`],
    ['downstream window', duration(policy.downstreamWindowMs)],
    ['kept', duration(policy.ttlMs)],
  ]);

  table(
    'History',
    [
      { title: '#', cell: ({ seq }) => String(seq) },
      { title: 'WHEN', cell: ({ at: when }) => moment(when, now) },
      { title: 'FROM', cell: ({ from }) => from ?? '-' },
      { title: 'TO', cell: ({ to }) => to, paint: (p, shown, { to }) => paintState(p, to, shown) },
      { title: 'CAUSE', cell: ({ cause }) => cause },
      { title: 'ATTEMPT', cell: ({ attempt }) => String(attempt) },
      { title: 'BY', cell: ({ actor }) => printable(actor), least: 10 },
      { title: 'TRACE', cell: ({ traceId }) => printable(traceId ?? ''), least: 8 },
    ],
    history,
  );
  table(
    'Refused: late owners, whose writes changed nothing',
    [
      { title: 'LAST', cell: ({ lastAt }) => moment(lastAt, now) },
      { title: 'TIMES', cell: ({ count: times }) => String(times) },
      {
        title: 'WANTED',
        cell: ({ attemptedState, attemptedAttempt }) => `${attemptedState} (attempt ${attemptedAttempt})`,
      },
      {
        title: 'FOUND',
        cell: ({ storedState, storedAttempt }) => `${storedState} (attempt ${storedAttempt})`,
      },
      { title: 'EVIDENCE', cell: ({ evidence }) => (evidence ? 'kept' : '-') },
      { title: 'BY', cell: ({ actor }) => printable(actor), least: 10 },
    ],
    rejected,
  );
  table(
    'Steps: done once, whatever runs again',
    [
      { title: 'NAME', cell: ({ name }) => printable(name), least: 16 },
      { title: 'KIND', cell: ({ kind }) => kind },
      { title: 'ATTEMPT', cell: ({ attempt }) => String(attempt) },
      { title: 'KEY AT THE OTHER SIDE', cell: ({ childKey }) => printable(childKey ?? '-'), least: 43 },
    ],
    steps,
  );
  table(
    'Decisions',
    [
      { title: '#', cell: ({ seq }) => String(seq) },
      { title: 'WHEN', cell: ({ at: when }) => moment(when, now) },
      { title: 'WHAT', cell: ({ action }) => action },
      { title: 'WHO', cell: ({ actor }) => printable(actor), least: 10 },
      { title: 'WHY', cell: ({ reason }) => printable(reason), least: 20 },
    ],
    decisions,
  );
  return `${lines.join('\n')}\n`;
}

/** In place of what is there, and can't be read without the key ring. */
export const SEALED = '(sealed)';

const unreadable = (key: string): string =>
  `under key ${key}, which isn't here: last error and progress can't be shown, and it can't be resolved or cancelled. Give SEMEL_KEY_RING, or --config`;
