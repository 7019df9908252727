import type { EngineRow } from '../engine.ts';
import type { Peer } from '../peers/peer.ts';
import { type Row, SCENARIOS, type Scenario } from '../row.ts';
import { VARIANTS } from '../variants.ts';
import type { Conditions } from './conditions.ts';
import { columnsOf } from './figures.ts';
import type { Goal } from './goals.ts';
import { rowsOf } from './ordered.ts';

const SAYS: Record<Scenario, string> = {
  first:
    'Every request has a key of its own. Over HTTP, one connection per caller. Ratios are to the bare handler on the same road: `bare` on tRPC, `bare-http` on plain node:http, `bare-express` for Express middleware. Commits, statements and Redis commands are counted at the services over calls made one after the other, connections open. Statements are as pg_stat_statements has them: BEGIN and COMMIT where they are sent as texts, not where they are prepared (semel).',
  replay:
    'Requests that have been answered before, round and round among as many keys. The bare handler runs every time: that is what a replay saves or costs.',
  'first in process':
    'The same without HTTP and tRPC: the server process calls itself. This is the library and its store alone.',
  'replay in process': 'The same for replays.',
  duplicates:
    'The same request twenty times at the same moment, each on a connection of its own. p50 and p99 are of the whole burst: until the last of the twenty is answered.',
  burst:
    'Twenty such over two server processes, by turns with single calls (so the bare handler runs 21 times for two keys). The times are those between the tenth and the eleventh answer; “of one bare call”: in times of one call of the bare handler alone.',
  crash:
    'kill -9 after the effect and before the answer (for ours: inside the transaction, before its COMMIT), a restart, and the same request again until it succeeds. Locks and leases are set to 3 s, where they can be: with defaults of up to 24 h the retry is refused for as long. p50: from the restart to the first success.',
  'lease-expiry':
    'The handler takes 2.5 s, its lock or lease is good for 1 s. A duplicate comes after 1.6 s, and one more when all are answered.',
  paused:
    'The server process is stopped (SIGSTOP) in the middle of the handler for longer than its lock or lease of 1 s; a retry reaches another server; then the first goes on.',
};

/** docs/reference/performance.md. */
export function document(given: {
  readonly rows: readonly Row[];
  readonly engine: readonly EngineRow[];
  readonly peers: ReadonlyMap<string, Peer>;
  readonly goals: readonly Goal[];
  readonly conditions: Conditions;
}): string {
  const { rows, engine, peers, conditions } = given;
  return `# Performance

Written by \`npm run bench\`: don't edit. Ours beside what is published for the same purpose, interleaved in one run.

![Rates relative to the bare handler, and executions per key under duplicates and faults](performance.svg)

**How to read it.** Trust counts (commits, statements, commands, executions per key) exactly; ratios in process to about ± 0.1,
over HTTP to about ± 0.2. Absolute figures are of this machine and this run: ${conditions.date}, ${conditions.machine},
Node ${conditions.node}, PostgreSQL ${conditions.postgres}, Redis ${conditions.redis}, all of them and the load generator on the same machine, over loopback.

## What is compared

Each wraps the same handler: one prepared INSERT into Postgres, autocommit, pool of 10. Each server is a process of its own with a database of its own.

| variant | version | promises | set up as |
| --- | --- | --- | --- |
${VARIANTS.flatMap(({ name }) => {
  const peer = peers.get(name);
  return peer ? [`| ${name} | ${peer.version} | ${peer.promises} | ${peer.configuration} |`] : [];
}).join('\n')}

${SCENARIOS.map((scenario) => section(scenario, rows)).join('\n')}
## The engine beside hand-written code

In one process on the same Postgres, 1 KB of input. The reference is a claim, effect, complete transaction in three pipelined flights, written by hand, without history.

| | callers | of the first | per s | p50 ms | CPU µs |
| --- | --- | --- | --- | --- | --- |
${engine
  .map(
    ({ scenario, name, callers, ratio, rps, p50Ms, cpuUs }) =>
      `| ${scenario}: ${name} | ${callers} | ${ratio.toFixed(2)} | ${rps.toFixed(0)} | ${p50Ms.toFixed(2)} | ${cpuUs.toFixed(0)} |`,
  )
  .join('\n')}

## What must hold

| | measured | holds |
| --- | --- | --- |
${given.goals.map(({ claim, measured, holds }) => `| ${claim} | ${measured} | ${holds ? 'yes' : '**no**'} |`).join('\n')}

nestarc and idempot-js can't be installed from the registry. Their figures are from a run of the same method (in process, 16 callers, relative to a bare INSERT)
with packages built from their sources (nestarc 0.4.0, idempot-js core 1.0.0): 0.17 and 0.14 of bare with their Postgres stores.

## What these figures don't say

- **A network.** Over loopback a round trip costs next to nothing; over a real one, the counts of commands and statements weigh more than anything here.
- **The same promise.** Variants that keep their records in Redis or in memory lose them with it (here: Redis without persistence), and their effect and record can part. They do less, and are faster where they do.
- **Your handler.** This one is a single INSERT: the worst case for everything around it. The longer a handler takes, the nearer all ratios come to 1.
- **Sustained load, memory, growth of tables.** Rounds last a second; tables are small. \`npm run load\` is about the first.
- **Steps outside the database.** DBOS runs a whole workflow engine for each call; a workflow of many steps is what it is for.
- **Powertools away from Lambda.** It is made for Lambda functions with DynamoDB, which can't run here; this is its cache layer in a server.
`;
}

function section(scenario: Scenario, rows: readonly Row[]): string {
  const own = rowsOf(scenario, rows);
  if (own.length === 0) return '';
  const columns = columnsOf(scenario);
  const table = [
    `| | ${columns.map(({ title }) => title).join(' | ')} |`,
    `| --- |${' --- |'.repeat(columns.length)}`,
    ...own.map((row) => `| ${row.variant} | ${columns.map(({ of }) => of(row)).join(' | ')} |`),
  ];
  return `## ${scenario[0]?.toUpperCase()}${scenario.slice(1)}\n\n${SAYS[scenario]}\n\n${table.join('\n')}\n`;
}
