import { expect, test, vi } from 'vitest';
import { checksum } from './layer-entry.ts';
import { createProcessLayer } from './layer-process.ts';
import { type Asked, createLayers } from './layers.ts';

const at = (key: string) => ({ scope: 's', procedure: 'p', key });

function knowing(...keys: string[]) {
  const layers = createLayers({
    layers: [createProcessLayer()],
    seal: checksum,
    emit: () => {},
    answered: () => {},
    clock: () => 0,
  });
  for (const key of keys) {
    const settled = { operationId: key, fingerprint: 'v1:f', state: 'completed', attempt: 1 } as const;
    layers.keep({ ...at(key), ...settled, outcome: '{}', expiresAt: 1000 }, 1000);
  }
  return layers;
}

const turnEnd = () => new Promise((resolve) => setImmediate(resolve));

test('what this process knows is handed out at the end of the turn, to all who asked in it', async () => {
  const layers = knowing('a', 'b');
  const answered: string[] = [];
  const ask = (key: string): void =>
    void layers.ask(at(key), 'owner', 1000).then(({ kind }: Asked) => answered.push(`${key} ${kind}`));
  ask('a');
  await new Promise<void>((resolve) => process.nextTick(resolve));
  ask('b');
  await Promise.resolve();
  expect(answered).toEqual([]);
  await turnEnd();
  expect(answered).toEqual(['a settled', 'b settled']);
  ask('a');
  expect(answered).toHaveLength(2);
  await turnEnd();
  expect(answered).toEqual(['a settled', 'b settled', 'a settled']);
});

test('what it does not know costs nobody a turn', async () => {
  const layers = knowing();
  let turned = false;
  setImmediate(() => {
    turned = true;
  });
  expect(await layers.ask(at('new'), 'owner', 1000)).toEqual({ kind: 'none' });
  expect(turned).toBe(false);
});

test("a test's fake timers hold no replay up", async () => {
  const layers = knowing('a');
  vi.useFakeTimers();
  try {
    expect(await layers.ask(at('a'), 'owner', 1000)).toMatchObject({ kind: 'settled' });
  } finally {
    vi.useRealTimers();
  }
});
