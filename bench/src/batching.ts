import { randomBytes } from 'node:crypto';
import { fingerprint } from '@semel/contract/v1/pure';
import { ensurePostgres } from '@semel/dev-services';
import { createSemel, type Semel } from '@semel/server';
import { createOutcomeCodec, type Handler, policyFrom } from '@semel/server/adapter';
import type { ClaimRequest, Store } from '@semel/server/store';
import { createPostgresStore, migratePostgres, type PostgresStoreOptions } from '@semel/store-postgres';
import pg from 'pg';
import { PAYLOAD } from './in-process.ts';
import { measure, type Sample, type Variant } from './measure.ts';

/**
 * `node --conditions=@semel/source bench/src/batching.ts [--quick] [--json] [--callers=1,64] [--lanes=1,3] [--rows=64,256]
 * [--rounds=15] [--round-ms=700]`:
 * leased mode with and without batched claims and settlements, interleaved in one run, the store alone and through the
 * engine. The handler does nothing. Compare the ratios of a run, nothing else. `lanes` and `rows` add variants.
 */
const quick = process.argv.includes('--quick');
const json = process.argv.includes('--json');
const [rounds = quick ? 5 : 15] = numbers('rounds') ?? [];
const [roundMs = quick ? 300 : 700] = numbers('round-ms') ?? [];
const callersTried = numbers('callers') ?? [1, 16, 64, 256];
const OUTCOME = JSON.stringify({ v: 1, ok: true, value: { json: PAYLOAD } });
const FINGERPRINT = fingerprint('bench.leased', PAYLOAD);
const policy = policyFrom({ mode: 'leased' });

interface Opened {
  readonly name: string;
  readonly store: Store;
  readonly run: (key: string) => Promise<unknown>;
}
interface Scenario {
  readonly name: string;
  readonly call: (variant: Opened, key: string) => Promise<unknown>;
}

const postgres = await ensurePostgres();
const pool = new pg.Pool({ connectionString: postgres.url, max: 2 });
const stamp = Date.now().toString(36);
const schemas: string[] = [];
const closing: (() => Promise<void>)[] = [];

const variants = [await open('unbatched', false), await open('batched', {})];
for (const lanes of numbers('lanes') ?? []) {
  for (const maxRows of numbers('rows') ?? [64]) {
    const knobs = { lanes, maxRows };
    variants.push(await open(`lanes ${lanes}, rows ${maxRows}`, knobs));
  }
}
const scenarios: readonly Scenario[] = [
  { name: 'store', call: ({ store }, key) => claimAndSettle(store, key) },
  { name: 'engine', call: ({ run }, key) => run(key) },
];

const rows: (Sample & { scenario: string })[] = [];
try {
  for (const scenario of scenarios) {
    const calls = variants.map((variant): Variant => {
      const of = `${stamp}-${scenario.name}-`;
      return { name: variant.name, call: (i) => scenario.call(variant, of + i) };
    });
    // Plans are made for tables that hold something, as a server's do.
    for (const { call } of calls) for (let i = -200; i < 0; i++) await call(i);
    await pool.query('ANALYZE');
    for (const callers of callersTried) {
      const samples = await measure(calls, { callers, rounds, roundMs });
      for (const sample of samples) {
        rows.push({ scenario: scenario.name, ...sample });
        if (!json) print({ scenario: scenario.name, ...sample });
      }
    }
  }
} finally {
  for (const close of closing) await close();
  for (const schema of schemas) await pool.query(`DROP SCHEMA ${schema} CASCADE`);
  await pool.end();
  await postgres.stop();
}
if (json) console.log(JSON.stringify({ rows }));

/** A schema for each variant: none profits from another's vacuum. */
async function open(name: string, batching: NonNullable<PostgresStoreOptions['batching']>): Promise<Opened> {
  const schema = `bench_batching_${stamp}_${schemas.length}`;
  const connection = postgres.url;
  await migratePostgres({ connection, schema });
  schemas.push(schema);
  const store = createPostgresStore({ connection, schema, batching });
  const semel = createSemel({ store, recovery: false });
  closing.push(() => semel.close().then(() => store.close()));
  return { name, store, run: runner(semel) };
}

async function claimAndSettle(store: Store, key: string): Promise<void> {
  const trace = { actor: 'request' };
  const request: ClaimRequest = {
    scope: 'bench',
    procedure: 'bench.leased',
    key,
    operationId: randomBytes(16).toString('hex'),
    owner: randomBytes(16).toString('hex'),
    fingerprint: FINGERPRINT,
    policy: policy.recorded,
    trace,
  };
  const claimed = await store.claim(request);
  if (!claimed.won) throw new Error('lost');
  await store.settle(claimed.claim, { to: 'completed', cause: 'succeeded', outcome: OUTCOME }, trace);
}

function runner<Tx>(semel: Semel<Tx>): (key: string) => Promise<unknown> {
  const outcomes = createOutcomeCodec();
  const handler: Handler<Tx> = async () => PAYLOAD;
  return (key) =>
    semel.engine.run(
      {
        scope: 'bench',
        procedure: 'bench.leased',
        key,
        ageMs: undefined,
        fingerprint: fingerprint('bench.leased', PAYLOAD),
        policy,
        failures: {
          statusOf: () => undefined,
          describe: () => ({ httpStatus: 500, code: 'X', message: '' }),
        },
        outcomes,
        trace: { actor: 'request' },
      },
      handler,
    );
}

function numbers(option: string): number[] | undefined {
  const given = process.argv.find((arg) => arg.startsWith(`--${option}=`));
  return given?.split('=')[1]?.split(',').map(Number);
}

function print(row: Sample & { scenario: string }): void {
  console.log(
    row.scenario.padEnd(8),
    `${row.callers} callers`.padStart(12),
    row.name.padEnd(20),
    `x${row.ratio.toFixed(2)}`.padStart(7),
    `${row.rps.toFixed(0)}/s`.padStart(9),
    `p50 ${row.p50Ms.toFixed(2)}`.padStart(11),
    `p99 ${row.p99Ms.toFixed(2)} ms`.padStart(14),
    `CPU ${row.cpuUs.toFixed(0)} us`.padStart(11),
  );
}
