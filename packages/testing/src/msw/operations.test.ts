import { expect, test } from 'vitest';
import { createOperations } from './operations.ts';

test('queued work whose handler fails for now is tried again at the next question, and done then', async () => {
  const operations = createOperations({ retryAfterMs: 1, pollsUntilDone: 1 });
  operations.plan('pay', ['accepted']);
  let tries = 0;
  const told = await operations.ask({
    name: 'pay',
    scope: 'alice',
    key: { key: 'k' },
    input: 1,
    run() {
      tries += 1;
      if (tries === 1) throw new Error('the bank is away');
      return 'paid';
    },
  });
  const operationId = told.kind === 'accepted' ? told.operationId : '';
  expect(await operations.status(operationId)).toEqual({ operationId, state: 'accepted' });
  expect(await operations.status(operationId)).toEqual({ operationId, state: 'completed' });
  expect(tries).toBe(2);
});
