import { defaultServerConditions } from 'vite';
import { configDefaults, defineConfig } from 'vitest/config';

// Tests run from source: nothing has to be built first, and no stale build can pass for the code.
const conditions = ['@semel/source', ...defaultServerConditions];

/** Long campaigns: part of what CI runs (`CI=true npm test`), or one by one by name. */
const LONG = [
  'apps/reference-server/src/enrollments/crash.test.ts',
  'packages/store-postgres/src/batching/describe-store.test.ts',
  'packages/store-postgres/src/pgbouncer.test.ts',
  'packages/store-redis/src/{describe-store,failover}.test.ts',
  'packages/testing/src/contract/wrong-servers.test.ts',
  'test/browser/random.test.ts',
  'test/burst/**',
  'test/crash/queued-*.test.ts',
  'test/redis/campaign.test.ts',
];
const isNamed = process.argv.slice(2).some((argument) => /\/|\.test/.test(argument));
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
    // On two cores the default would be one; most files wait for databases, leases and processes.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    coverage: { include: ['packages/*/src/**'] },
  },
});
