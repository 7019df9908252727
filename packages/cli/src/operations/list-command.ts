import type { OperationList, OperationListFilter, OperationView, Semel } from '@semel/server';
import { parsed, wholeNumber } from '../arguments.ts';
import { type Command, CommandError, type Terminal } from '../command.ts';
import { count, duration } from '../terminal/ages.ts';
import { painter, paintState } from '../terminal/paint.ts';
import { printable } from '../terminal/printable.ts';
import { type Column, rowsOf, titles, widths } from '../terminal/table.ts';
import { SEALED } from './render-operation.ts';
import { type State, statesFrom, UNDECIDED } from './states.ts';
import { COMMON_OPTIONS, withSemel } from './with-semel.ts';

const help = `Usage: semel operations list [options]

What waits for a decision: operations that are suspended or dead. Other ones with --state. In the order of their ids, which
doesn't change while you page.

Options:
  --state <states>     accepted, processing, released, suspended, dead, completed, failed, or any; several with commas
  --procedure <name>
  --scope <scope>      exactly this one
  --limit <n>          of a page, 1 to 1000; @default 50
  --after <id>         where the page before ended
  --all                every page
  --json               { operations, next?, now, states }: times in epoch ms by the store's clock

Only what waits, or is of one scope, is found quickly: other states make the store read many rows.
`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  state: { type: 'string', multiple: true },
  procedure: { type: 'string' },
  scope: { type: 'string' },
  limit: { type: 'string' },
  after: { type: 'string' },
  all: { type: 'boolean', default: false },
} as const;

export const listCommand: Command = {
  summary: 'what waits for a decision, or any other operations',
  help,
  async run(args, terminal) {
    const { values, positionals } = parsed(args, OPTIONS);
    if (positionals.length > 0) {
      throw new CommandError(`list takes no ${positionals.join(' ')}: semel operations show <id>?`);
    }
    const states = statesFrom(values.state) ?? UNDECIDED;
    const { procedure, scope, after, all, json } = values;
    const limit = values.limit === undefined ? 50 : wholeNumber('limit', values.limit, 1, 1000);
    const filter = {
      ...(states.length < 7 && { states }),
      ...(procedure !== undefined && { procedure }),
      ...(scope !== undefined && { scope }),
      ...(after !== undefined && { after }),
      limit: all && values.limit === undefined ? 500 : limit,
    };
    return withSemel(values, terminal, async (semel) => {
      const pages = all ? everyPage(semel, filter) : [await semel.decisions.list(filter)];
      if (json) await printJson(pages, states, terminal);
      else await printTable(pages, states, values.state === undefined, terminal);
      return 0;
    });
  },
};

type Pages = Iterable<OperationList> | AsyncIterable<OperationList>;

async function* everyPage(semel: Semel, filter: OperationListFilter): AsyncGenerator<OperationList> {
  let after = filter.after;
  do {
    const page = await semel.decisions.list({ ...filter, ...(after !== undefined && { after }) });
    yield page;
    after = page.next;
  } while (after !== undefined);
}

async function printJson(pages: Pages, states: readonly State[], terminal: Terminal): Promise<void> {
  const operations: OperationView[] = [];
  let last: OperationList | undefined;
  for await (const page of pages) {
    operations.push(...page.operations);
    last = page;
  }
  const { next, now } = last ?? {};
  terminal.write(
    `${JSON.stringify({ operations, ...(next !== undefined && { next }), now, states }, null, 2)}\n`,
  );
}

async function printTable(
  pages: Pages,
  states: readonly State[],
  isDefault: boolean,
  terminal: Terminal,
): Promise<void> {
  const paint = painter(terminal);
  let wide: readonly number[] | undefined;
  let shown = 0;
  let next: string | undefined;
  for await (const page of pages) {
    const columns = columnsAt(page.now);
    if (page.operations.length > 0) {
      wide ??= widths(columns, page.operations, terminal.columns);
      if (shown === 0) terminal.write(titles(columns, wide, paint));
      terminal.write(rowsOf(columns, wide, page.operations, paint));
    }
    shown += page.operations.length;
    next = page.next;
  }
  const what = states.length === 7 ? 'in any state' : states.join(' or ');
  const others = isDefault ? '. Other states: --state any' : '';
  terminal.write(
    shown === 0
      ? `${isDefault ? 'Nothing waits for a decision' : `No operation is ${what}`}${others}\n`
      : `${paint('dim', `\n${count(shown, 'operation')} ${what}${others}`)}\n`,
  );
  if (next !== undefined) terminal.write(`More: --after ${next}, or --all\n`);
}

const columnsAt = (now: number): readonly Column<OperationView>[] => [
  { title: 'OPERATION', cell: ({ operationId }) => printable(operationId) },
  {
    title: 'STATE',
    cell: ({ state }) => state,
    paint: (paint, shown, { state }) => paintState(paint, state, shown),
  },
  { title: 'FOR', cell: ({ updatedAt }) => duration(now - updatedAt) },
  { title: 'PROCEDURE', cell: ({ procedure }) => printable(procedure), least: 12 },
  { title: 'SCOPE', cell: ({ scope }) => printable(scope), least: 8 },
  { title: 'KEY', cell: ({ key }) => printable(key), least: 8 },
  { title: 'ATTEMPT', cell: ({ attempt, policy }) => `${attempt}/${policy.maxAttempts}` },
  { title: 'OWNER', cell: ({ deadLetterOwner }) => printable(deadLetterOwner ?? ''), least: 5 },
  {
    title: 'LAST ERROR',
    cell: ({ lastError, lastErrorSealed }) => printable(lastError ?? (lastErrorSealed ? SEALED : '')),
    least: 10,
  },
];
