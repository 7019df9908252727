import type { Row } from '../row.ts';

/** One column of a table, on the terminal and in the document alike. */
export interface Column {
  readonly title: string;
  readonly of: (row: Row) => string;
}

const fixed = (digits: number) => (value: number | null) => (value === null ? '' : value.toFixed(digits));
const times = fixed(2);
/** Counts are whole unless something was left over from connecting. */
const count = (value: number | null) => (value === null ? '' : String(Math.round(value * 100) / 100));

export const COLUMNS = {
  callers: { title: 'callers', of: (row) => String(row.callers) },
  ratio: { title: 'of bare', of: (row) => times(row.ratio) },
  ofOne: { title: 'of one bare call', of: (row) => times(row.ratio) },
  rps: { title: 'per s', of: (row) => fixed(0)(row.rps) },
  p50: { title: 'p50 ms', of: (row) => times(row.p50Ms) },
  p99: { title: 'p99 ms', of: (row) => times(row.p99Ms) },
  cpu: { title: 'CPU µs', of: (row) => fixed(0)(row.cpuUs) },
  commits: { title: 'commits', of: (row) => count(row.commits) },
  statements: { title: 'statements', of: (row) => count(row.statements) },
  redis: { title: 'Redis commands', of: (row) => count(row.redisCommands) },
  executions: { title: 'executions per key', of: (row) => count(row.executionsPerKey) },
  answers: {
    title: 'answers',
    of: ({ answers }) =>
      answers === undefined
        ? ''
        : Object.entries(answers)
            .map(([status, n]) => `${n} × ${status}`)
            .join(', '),
  },
} as const satisfies Record<string, Column>;

const { callers, ratio, ofOne, rps, p50, p99, cpu, commits, statements, redis, executions, answers } =
  COLUMNS;
const THROUGHPUT = [callers, ratio, rps, p50, p99, cpu, commits, statements, redis, executions];

/** What a scenario's table shows. */
export const columnsOf = (scenario: Row['scenario']): readonly Column[] => {
  switch (scenario) {
    case 'first':
    case 'replay':
      return THROUGHPUT;
    case 'first in process':
    case 'replay in process':
      return [callers, ratio, rps, p50, p99, cpu];
    case 'duplicates':
      return [executions, answers, p50, p99, statements, redis];
    case 'burst':
      return [executions, answers, ofOne, p50, p99];
    case 'crash':
      return [executions, answers, p50];
    case 'lease-expiry':
    case 'paused':
      return [executions, answers];
  }
};
