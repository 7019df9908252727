import { defaultServerConditions } from 'vite';
import { configDefaults, defineConfig } from 'vitest/config';

// Tests run from source: nothing has to be built first, and no stale build can pass for the code.
const conditions = ['@semel/source', ...defaultServerConditions];

/**
 * Long campaigns: part of what CI runs (`CI=true npm test`), or one by one by name. What each shows exhaustively another file shows
 * once: crash points in test/faults/processes, stores in the plain describe-store, fuzzing in test/wire, layers in store-redis. The rest starts many processes, or needs a machine
 * that does nothing else (schema).
 */
const LONG = [
  'apps/reference-server/src/enrollments/{crash,embedded-campus}.test.ts',
  'apps/reference-server/src/{main,processes/servers}.test.ts',
  'apps/reference-server/src/rest/{contract,fuzz}.test.ts',
  'packages/store-postgres/src/batching/describe-store.test.ts',
  'packages/store-postgres/src/jobs/describe-jobs.test.ts',
  'packages/store-postgres/src/{pgbouncer,schema}.test.ts',
  'packages/store-redis/src/{describe-store,failover}.test.ts',
  'packages/testing/src/{contract/wrong-servers,jobs/wrong-jobs}.test.ts',
  'test/attack/{black-hole,issue4-storm}.test.ts',
  'test/browser/{checkout,firefox,kill-points,random,react,tabs}.test.ts',
  'test/burst/**',
  'test/{client-simulation/simulation,client/random}.test.ts',
  'test/contract/http.test.ts',
  'test/crash/{crash-points,queued-*}.test.ts',
  'test/frameworks/{contract,fuzz}.test.ts',
  'test/queued/carriers.test.ts',
  'test/readme/client-guides.test.ts',
  'test/redis/{campaign,storm}.test.ts',
];
/** Open no connections and don't look at what is global to a process: in the short form they need none of their own. */
const TOGETHER = [
  'packages/{client,contract}/src/**/*.test.ts',
  'packages/server/src/{adapters,admission,engine,inspect,jobs,store}/**/*.test.ts',
];
// `CI=` in a shell means "not set", here and in the tests.
if (process.env.CI === '') delete process.env.CI;
const isNamed = process.argv.slice(2).some((argument) => /^[^-].*(?:\/|\.test)/.test(argument));
const isLong = process.env.CI !== undefined || isNamed;
if (!isLong) console.log(`The short form: CI=true also runs ${LONG.join(', ')}`);

const files = {
  include: ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts', 'test/**/*.test.ts', 'tools/*.test.ts'],
  exclude: [...configDefaults.exclude, ...(isLong ? [] : LONG)],
};
const seeds = isLong || process.env.SEMEL_SEEDS !== undefined ? {} : { SEMEL_SEEDS: '200' };
const each = {
  // Against hanging for ever, not against being slow: a busy machine is ten times slower than a quiet one.
  testTimeout: 60_000,
  hookTimeout: 120_000,
  expect: { poll: { timeout: 20_000 } },
  env: isLong ? {} : { ...seeds, SEMEL_SHORT: '1' },
};
const source = { resolve: { conditions }, ssr: { resolve: { conditions } } };

export default defineConfig({
  ...source,
  test: {
    globalSetup: ['./tools/global-setup.ts'],
    reporters: ['default', './tools/count-reporter.ts'],
    // On two cores the default would be one; most files wait for databases, leases and processes.
    maxWorkers: isLong ? 2 : 4,
    coverage: { include: ['packages/*/src/**'] },
    ...(isLong
      ? { ...files, ...each }
      : {
          // A process for each file would be a third of the time that these take.
          projects: [
            {
              ...source,
              test: {
                ...each,
                name: 'together',
                isolate: false,
                include: TOGETHER,
              },
            },
            {
              ...source,
              test: { ...each, ...files, name: 'alone', exclude: [...files.exclude, ...TOGETHER] },
            },
          ],
        }),
  },
});
