import { expect, inject, test } from 'vitest';
import { bundleChild } from '../fixtures/bundle-child.ts';
import { runBurst } from './burst.ts';

// The short form; `npm run campaign:burst` is the long one.
test('a burst of 500 survives the kill of a worker and of the server, and drains exactly once', {
  timeout: 240_000,
}, async () => {
  const bundle = await bundleChild();
  try {
    const result = await runBurst({
      databaseUrl: inject('databaseUrl'),
      file: bundle.file,
      operations: 500,
      callers: 8,
      tell: () => {},
    });
    expect(result).toMatchObject({
      accepted: 500,
      effects: 500,
      distinct: 500,
      states: { completed: 500 },
      jobsLeft: 0,
    });
    expect(result.killed).toHaveLength(2);
    expect(result.deepest).toBeGreaterThan(0);
  } finally {
    bundle.remove();
  }
});
