import { defaultServerConditions } from 'vite';
import { defineConfig } from 'vitest/config';

// Tests run from source: nothing has to be built first, and no stale build can pass for the code.
const conditions = ['@semel/source', ...defaultServerConditions];
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
    // On two cores the default would be one; most files wait for databases, leases and processes.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    coverage: { include: ['packages/*/src/**'] },
  },
});
