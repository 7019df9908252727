import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { fingerprint } from '@semel/contract/v1/pure';
import { expect, test } from 'vitest';
import { policyFrom } from '../admission/policy.ts';
import type { Operation } from '../engine/operation.ts';
import { createOutcomeCodec } from '../engine/outcome.ts';
import type { RunRequest } from '../engine/request.ts';
import { createSemel } from '../semel.ts';
import { createMemoryStore } from '../store/memory.ts';
import { type Store, StoreUnavailable } from '../store/port.ts';
import type { SemelEvent } from '../telemetry/events.ts';
import type { KeyRing } from './key-ring.ts';

const keyRing: KeyRing = { current: 'k1', keys: { k1: Uint8Array.from({ length: 32 }, (_, i) => i) } };
const input = { card: 'input-4242' };
const request = (mode: 'atomic' | 'leased', change: Partial<RunRequest> = {}): RunRequest => ({
  scope: 'alice',
  procedure: mode,
  key: 'k',
  ageMs: 2000,
  fingerprint: fingerprint(mode, input),
  policy: policyFrom({ mode }),
  failures: {
    statusOf: (error) => (error as { status?: number }).status,
    describe: () => ({ httpStatus: 402, code: 'PAYMENT_REQUIRED', message: 'failure-declined' }),
  },
  outcomes: createOutcomeCodec(),
  trace: { actor: 'request' },
  ...change,
});
const steps = async (operation: Operation) => {
  await operation.step('charge', { input: 'declared-5' }, async () => 'step-ch_1');
  return operation.settle(async () => 'output-done');
};

/** A store that writes down everything that it is given. */
function listening() {
  const store = createMemoryStore() as Store;
  const heard: unknown[] = [];
  const listen = <T>(given: T): T => {
    heard.push(given);
    return given;
  };
  /** How a transaction ends. The value that goes back to the caller is not the store's business. */
  const listenToEnd = <T extends object>(end: T): T => {
    const { value: _, ...stored } = end as { value?: unknown };
    heard.push(stored);
    return end;
  };
  const ears: Store = {
    ...store,
    claim: (...args) => store.claim(...listen(args)),
    settle: (...args) => store.settle(...listen(args)),
    recordStep: (...args) => store.recordStep(...listen(args)),
    transact: (claim, body, options) => store.transact(claim, (tx) => body(tx).then(listenToEnd), options),
    atomically: (asked, body) => store.atomically(listen(asked), (tx) => body(tx).then(listenToEnd)),
  };
  return { store: ears, heard: () => JSON.stringify(heard) };
}

test.each([
  ['with a key ring hears nothing that it could tell', keyRing, []],
  ['without one hears everything', undefined, ['output-done', 'step-ch_1', 'failure-declined']],
] as const)('a store %s', async (_, ring, tells) => {
  const { store, heard } = listening();
  const { engine } = createSemel({ store, recovery: false, ...(ring && { keyRing: ring }) });
  expect(await engine.run(request('atomic'), async () => 'output-done')).toMatchObject({
    value: 'output-done',
  });
  expect(await engine.run(request('leased'), steps)).toMatchObject({ value: 'output-done' });
  const no = async () => Promise.reject(Object.assign(new Error('no'), { status: 402 }));
  expect(await engine.run(request('leased', { key: 'no' }), no)).toMatchObject({ kind: 'failed' });
  const secrets = ['output-done', 'step-ch_1', 'failure-declined', 'input-4242'];
  expect(secrets.filter((secret) => heard().includes(secret))).toEqual(tells);
  for (const mode of ['atomic', 'leased'] as const) {
    expect(heard().includes(fingerprint(mode, input))).toBe(ring === undefined);
  }
  for (const mode of ['atomic', 'leased'] as const) {
    const again = await engine.run(request(mode), async () => 'never');
    expect(again).toMatchObject({ kind: 'completed', value: 'output-done', replayed: true });
  }
});

test('a settlement whose acknowledgement got lost is recognised by its bytes', async () => {
  const store = createMemoryStore();
  const losing: typeof store = {
    ...store,
    async settle(...args) {
      await store.settle(...args);
      losing.settle = store.settle;
      throw new StoreUnavailable();
    },
  };
  const { engine } = createSemel({ store: losing, recovery: false, keyRing });
  const ran = await engine.run(request('leased'), async () => 'output-done');
  expect(ran).toMatchObject({ kind: 'completed', value: 'output-done', replayed: false });
  if (!('operationId' in ran)) throw new Error('completed');
  expect(await store.rejected(ran.operationId)).toEqual([]);
});

test('what can not be opened is answered as gone, told as an alert and counted, without key or scope', async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  metrics.setGlobalMeterProvider(provider);
  const store = createMemoryStore();
  const events: SemelEvent[] = [];
  const { engine } = createSemel({ store, recovery: false, keyRing, onEvent: (event) => events.push(event) });
  await engine.run(request('leased'), async () => 'output-done');
  const other = createSemel({
    store,
    recovery: false,
    keyRing: { current: 'k1', keys: { k1: Uint8Array.from({ length: 32 }, (_, i) => 255 - i) } },
    onEvent: (event) => events.push(event),
  });
  // Another key under the same name judges the fingerprint otherwise; a lenient policy gets as far as the outcome.
  const lenient = { policy: policyFrom({ mode: 'leased', mismatch: 'replay' }) };
  const answer = await other.engine.run(request('leased', lenient), async () => 'never');
  expect(answer).toMatchObject({ kind: 'refused', problem: { code: 'outcome_gone', state: 'completed' } });
  const alerts = events.filter((event) => event.type === 'undecryptable');
  expect(alerts).toEqual([
    {
      type: 'undecryptable',
      what: 'outcome',
      why: 'altered',
      scope: 'alice',
      procedure: 'leased',
      key: 'k',
      operationId: expect.any(String),
      attempt: 1,
    },
  ]);
  await provider.forceFlush();
  const counted = exporter
    .getMetrics()
    .at(-1)
    ?.scopeMetrics.flatMap((scope) => scope.metrics)
    .find((metric) => metric.descriptor.name === 'idempotency.undecryptable');
  expect(counted?.dataPoints.map(({ attributes, value }) => [attributes, value])).toEqual([
    [{ 'idempotency.procedure': 'leased', 'idempotency.what': 'outcome', 'idempotency.why': 'altered' }, 1],
  ]);
  await provider.shutdown();
});

test('nothing is stored for a policy that wants encryption where an adapter forgot to ask for a ring', async () => {
  const store = createMemoryStore();
  const { engine } = createSemel({ store, recovery: false });
  const wants = request('leased', { policy: policyFrom({ mode: 'leased', encrypt: true }) });
  await expect(engine.run(wants, async () => 'output-done')).rejects.toThrow(
    'encrypt: true needs a key ring',
  );
  expect(await store.lookup(wants)).toBeUndefined();
});
