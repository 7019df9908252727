import { defaultServerConditions } from 'vite';
import { configDefaults, defineConfig } from 'vitest/config';

// Tests run from source: nothing has to be built first, and no stale build can pass for the code.
const conditions = ['@semel/source', ...defaultServerConditions];

/**
 * Long campaigns: part of what CI runs (`CI=true npm test`), or one by one by name. What each shows exhaustively another file shows
 * once: crash points in test/faults/processes, stores in the plain describe-store, fuzzing in test/wire, layers in store-redis.
 */
const LONG = [
  'apps/reference-server/src/enrollments/crash.test.ts',
  'packages/store-postgres/src/batching/describe-store.test.ts',
  'packages/store-postgres/src/jobs/describe-jobs.test.ts',
  'packages/store-postgres/src/pgbouncer.test.ts',
  'packages/store-redis/src/{describe-store,failover}.test.ts',
  'packages/testing/src/contract/wrong-servers.test.ts',
  'test/attack/issue4-storm.test.ts',
  'test/browser/{checkout,firefox,kill-points,random,react,tabs}.test.ts',
  'test/burst/**',
  'test/client/random.test.ts',
  'test/contract/http.test.ts',
  'test/crash/{crash-points,queued-*}.test.ts',
  'test/frameworks/{contract,fuzz}.test.ts',
  'test/redis/{campaign,storm}.test.ts',
];
// `CI=` in a shell means "not set", here and in the tests.
if (process.env.CI === '') delete process.env.CI;
const isNamed = process.argv.slice(2).some((argument) => /^[^-].*(?:\/|\.test)/.test(argument));
const isLong = process.env.CI !== undefined || isNamed;
if (!isLong) console.log(`The short form: CI=true also runs ${LONG.join(', ')}`);

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    globalSetup: ['./tools/global-setup.ts'],
    reporters: ['default', './tools/count-reporter.ts'],
    include: [
      'packages/*/src/**/*.test.ts',
      'apps/*/src/**/*.test.ts',
      'test/**/*.test.ts',
      'tools/*.test.ts',
    ],
    exclude: [...configDefaults.exclude, ...(isLong ? [] : LONG)],
    env: isLong || process.env.SEMEL_SEEDS !== undefined ? {} : { SEMEL_SEEDS: '200' },
    // On two cores the default would be one; most files wait for databases, leases and processes.
    maxWorkers: isLong ? 2 : 4,
    // Against hanging for ever, not against being slow: a busy machine is ten times slower than a quiet one.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
    coverage: { include: ['packages/*/src/**'] },
  },
});
