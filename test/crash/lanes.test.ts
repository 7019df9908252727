import { expect, test } from 'vitest';
import { inLanes } from './lanes.ts';

test('each lane works off its own items in order', async () => {
  const seen: string[] = [];
  await inLanes(2, ['a', 'b', 'c', 'd', 'e'], async (item, index) => {
    seen[index % 2] = (seen[index % 2] ?? '') + item;
  });
  expect(seen).toEqual(['ace', 'bd']);
});

test('where one lane fails, the other begins nothing more, and has ended before that is known', async () => {
  const seen: string[] = [];
  const { promise: failed, resolve: fail } = Promise.withResolvers<void>();
  const lanes = inLanes(2, ['fails', 'slow', 'never', 'never'], async (item) => {
    seen.push(`${item} begins`);
    if (item === 'fails') {
      fail();
      throw new Error('the first lane');
    }
    await failed;
    await new Promise((resolve) => setImmediate(resolve));
    seen.push(`${item} ends`);
  });
  await expect(lanes).rejects.toThrow('the first lane');
  expect(seen).toEqual(['fails begins', 'slow begins', 'slow ends']);
});
