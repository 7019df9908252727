import { ensurePostgres } from '@semel/dev-services';
import { createRig } from './in-process.ts';
import { measure, type Sample, type Variant } from './measure.ts';

/**
 * `npm run bench [-- --quick] [-- --json]`: ours beside what one would write by hand, interleaved in one run.
 * Compare the ratios of a run, never its absolute figures with another machine's.
 */
const quick = process.argv.includes('--quick');
const json = process.argv.includes('--json');
const rounds = quick ? 5 : 15;
const roundMs = quick ? 300 : 800;

const postgres = await ensurePostgres();
const rig = await createRig(postgres.url);
const rows: (Sample & { scenario: string })[] = [];
try {
  for (const [scenario, variants] of [
    ['first', rig.first],
    ['replay', rig.replay],
    ['engine', rig.engine],
    ['trpc', rig.trpc],
  ] as const satisfies readonly (readonly [string, readonly Variant[]])[]) {
    // In memory everything is kept: short rounds, one caller.
    const inMemory = scenario === 'engine' || scenario === 'trpc';
    for (const callers of inMemory ? [1] : [1, 16]) {
      const samples = await measure(variants, {
        callers,
        rounds: inMemory ? 7 : rounds,
        roundMs: inMemory ? 200 : roundMs,
        onRound: (round) => process.stderr.write(`\r${scenario}, ${callers} callers: round ${round} `),
      });
      process.stderr.write('\n');
      for (const sample of samples) rows.push({ scenario, ...sample });
    }
  }
} finally {
  await rig.close();
  await postgres.stop();
}

if (json) console.log(JSON.stringify({ rows }));
else print();

function print(): void {
  for (const scenario of new Set(rows.map((row) => row.scenario))) {
    console.log(`\n${scenario}`);
    console.log('  variant'.padEnd(42), 'callers', '  ratio', '    rps', '  p50 ms', '  p99 ms', '  CPU µs');
    for (const row of rows.filter((r) => r.scenario === scenario)) {
      console.log(
        `  ${row.name}`.padEnd(42),
        String(row.callers).padStart(7),
        row.ratio.toFixed(2).padStart(7),
        row.rps.toFixed(0).padStart(7),
        row.p50Ms.toFixed(2).padStart(8),
        row.p99Ms.toFixed(2).padStart(8),
        row.cpuUs.toFixed(0).padStart(8),
      );
    }
  }
}
