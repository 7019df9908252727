import { expect, test } from 'vitest';
import { createSemel } from '../semel.ts';
import type { Layer, LayerAnswer } from '../store/layer.ts';
import { createProcessLayer } from '../store/layer-process.ts';
import { createMemoryStore } from '../store/memory.ts';
import { StoreUnavailable } from '../store/port.ts';
import type { SemelEvent } from '../telemetry/events.ts';
import { startQueued } from './queued.fixture.ts';

/** A layer that remembers what it was told and asked. */
function createSpyLayer(answer: () => LayerAnswer = () => ({ kind: 'none', held: true })) {
  const calls: string[] = [];
  const texts: string[] = [];
  const layer: Layer = {
    name: 'spy',
    async ask() {
      calls.push('ask');
      return answer();
    },
    async keep(_, text) {
      calls.push('keep');
      texts.push(text);
    },
    async forget() {
      calls.push('forget');
    },
    async release() {
      calls.push('release');
    },
    async changed() {
      calls.push('changed');
    },
  };
  return { layer, calls, texts };
}

function setUp(layers: readonly Layer[], store = createMemoryStore()) {
  const events: SemelEvent[] = [];
  const semel = createSemel({ store, layers, recovery: false, onEvent: (event) => events.push(event) });
  let looked = 0;
  let runs = 0;
  const lookup = store.lookup;
  store.lookup = (identity) => {
    looked += 1;
    return lookup(identity);
  };
  return {
    semel,
    events,
    looked: () => looked,
    runs: () => runs,
    pay: (more: object = {}, work: () => unknown = () => 'paid') =>
      semel.run({ scope: 'a', name: 'pay', mode: 'atomic', key: 'k', input: 1 as unknown, ...more }, () => {
        runs += 1;
        return work();
      }),
  };
}

test.each(['atomic', 'leased'] as const)(
  '%s: asked, kept once settled, and nothing to give back',
  async (mode) => {
    const { layer, calls } = createSpyLayer();
    await setUp([layer]).pay({ mode });
    expect(calls).toEqual(['ask', 'keep']);
  },
);

test.each(['atomic', 'leased'] as const)(
  '%s: a call that failed for now is given back and not kept',
  async (mode) => {
    const { layer, calls } = createSpyLayer();
    const failing = setUp([layer]).pay({ mode }, () => {
      throw new Error('later');
    });
    await expect(failing).rejects.toThrow('later');
    expect(calls).toEqual(['ask', 'release']);
  },
);

test('a write whose outcome is uncertain is never kept', async () => {
  const { layer, calls } = createSpyLayer();
  const store = createMemoryStore();
  const lost: typeof store.atomically = async (request, body) => {
    await store.atomically(request, body);
    return { kind: 'unknown', cause: new Error('the answer to COMMIT was lost') };
  };
  const { pay } = setUp([layer], { ...store, atomically: lost });
  expect(await pay()).toMatchObject({ kind: 'refused', problem: { code: 'outcome_unknown' } });
  expect(calls).toEqual(['ask', 'release']);
});

test('the authority out of reach is 503, though a layer has given leave to look', async () => {
  const { layer, calls } = createSpyLayer();
  const store = createMemoryStore();
  const { pay, runs } = setUp([layer], {
    ...store,
    atomically: () => Promise.reject(new StoreUnavailable()),
  });
  expect(await pay()).toMatchObject({ kind: 'refused', problem: { code: 'store_unavailable' } });
  expect(runs()).toBe(0);
  expect(calls).toEqual(['ask', 'release']);
});

test('a replay from the process layer asks the store nothing', async () => {
  const { pay, looked, runs, events } = setUp([createProcessLayer()]);
  await pay();
  expect(await pay()).toMatchObject({ kind: 'completed', value: 'paid', replayed: true });
  expect({ looked: looked(), runs: runs() }).toEqual({ looked: 0, runs: 1 });
  expect(events.at(-1)).toMatchObject({ type: 'replayed', layer: 'process', attempt: 1 });
});

test('an entry that a farther layer has comes to the nearer ones', async () => {
  const store = createMemoryStore();
  const { layer, texts } = createSpyLayer();
  await setUp([layer], store).pay();
  const far = createSpyLayer(() => ({ kind: 'entry', text: texts[0] ?? '' }));
  const { pay } = setUp([createProcessLayer(), far.layer], store);
  await pay();
  await pay();
  expect(far.calls).toEqual(['ask']);
});

test('a layer may only say yes: a reused key is refused by the store, lenient policies are answered', async () => {
  const { pay, looked } = setUp([createProcessLayer()]);
  await pay();
  expect(await pay({ input: 2 })).toMatchObject({ kind: 'refused', problem: { code: 'key_reused' } });
  expect(looked()).toBe(1);
  expect(await pay({ input: 2, mismatch: 'replay' })).toMatchObject({ kind: 'completed', replayed: true });
  expect(looked()).toBe(1);
});

test('a purge is heeded by the process layer', async () => {
  const { pay, semel } = setUp([createProcessLayer()]);
  await pay();
  await pay();
  await semel.purge({ principal: 'a', actor: 'operator:alice', reason: 'ticket' });
  expect(await pay()).toMatchObject({ kind: 'refused', problem: { code: 'outcome_gone' } });
});

test('somebody who is said to be at it is believed for a second, and not at all by who must not wait', async () => {
  const { layer, calls } = createSpyLayer(() => ({ kind: 'held' }));
  layer.changed = (_, ms) => {
    calls.push('changed');
    return new Promise((resolve) => setTimeout(resolve, ms + 20));
  };
  const { pay } = setUp([layer]);
  expect(await pay({ inFlight: 'conflict' })).toMatchObject({ kind: 'completed', replayed: false });
  expect(calls.splice(0)).toEqual(['ask', 'keep']);
  const other = await pay({ key: 'l', inFlight: { waitMs: 20_000 } });
  expect(other).toMatchObject({ kind: 'completed', replayed: false });
  expect(calls).toEqual(['ask', 'changed', 'ask', 'keep']);
});

test('a layer that throws, or gives what is no entry, costs nothing but time', async () => {
  const throwing: Layer = {
    name: 'throws',
    ask: () => {
      throw new Error('no layer at all');
    },
    keep: () => Promise.reject(new Error('no layer at all')),
    forget: () => {
      throw new Error('no layer at all');
    },
  };
  const { layer } = createSpyLayer(() => ({ kind: 'entry', text: 'x\ny\nz' }));
  const { pay, runs, semel } = setUp([throwing, layer]);
  expect(await pay()).toMatchObject({ kind: 'completed', replayed: false });
  expect(await pay()).toMatchObject({ kind: 'completed', replayed: true });
  await semel.purge({ principal: 'a', actor: 'operator:alice', reason: 'ticket' });
  expect(runs()).toBe(1);
});

test('a layer that is left out, and one that is back, is an event', () => {
  const { layer } = createSpyLayer();
  let report: Parameters<NonNullable<Layer['watch']>>[0] = () => {};
  layer.watch = (listener) => {
    report = listener;
  };
  const { events } = setUp([layer]);
  const error = new Error('down');
  report({ kind: 'opened', cause: error });
  report({ kind: 'closed' });
  expect(events).toEqual([
    { type: 'layer_opened', layer: 'spy', error },
    { type: 'layer_closed', layer: 'spy' },
  ]);
});

test('queued: nothing of what waits or runs is in a layer, and what settled it is, whoever did', async () => {
  const spy = createSpyLayer();
  const { call, run, worker, semel, reaches, idOf, settled, events } = await startQueued({
    semel: { layers: [createProcessLayer(), spy.layer] },
    policy: { maxAttempts: 1 },
  });
  run(() => {
    throw new Error('away');
  });
  const by = { actor: 'operator:a', reason: 'x' };
  const first = await call('k');
  expect(spy.calls).toEqual(['ask', 'release']);
  const started = worker();
  await reaches(first, 'dead');
  await call('k');
  expect(spy.calls).not.toContain('keep');
  await semel.decisions.redrive(idOf(first), { ...by, grantAttempts: 1 });
  await expect.poll(() => events.filter(({ type }) => type === 'dead')).toHaveLength(2);
  await semel.decisions.resolve(idOf(first), { completed: 'paid' }, by);
  expect(spy.calls.filter((what) => what === 'keep')).toHaveLength(1);
  expect(await call('k')).toMatchObject({ kind: 'completed', value: 'paid' });
  expect(events.at(-1)).toMatchObject({ type: 'replayed', layer: 'process' });

  run(() => 'by the worker');
  const second = await call('l');
  await settled(second);
  expect(await call('l')).toMatchObject({ value: 'by the worker' });
  expect(events.at(-1)).toMatchObject({ type: 'replayed', layer: 'process' });
  await started.close(1000);
  await semel.close();
});
