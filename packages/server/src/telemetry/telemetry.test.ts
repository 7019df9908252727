import { AsyncLocalStorage } from 'node:async_hooks';
import { type Context, context, metrics, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { policyFrom } from '../admission/policy.ts';
import { createOutcomeCodec } from '../engine/outcome.ts';
import { startQueued } from '../engine/queued.fixture.ts';
import type { RunRequest } from '../engine/request.ts';
import { createSemel } from '../semel.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { SemelEvent } from './events.ts';

const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const spans = new InMemorySpanExporter();
const provider = new MeterProvider({
  readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })],
});

/** As an application's SDK has one: without it nothing is inside anything. */
const active = new AsyncLocalStorage<Context>();
const contexts: Parameters<typeof context.setGlobalContextManager>[0] = {
  active: () => active.getStore() ?? ROOT_CONTEXT,
  with: (given, work, self, ...args) => active.run(given, () => work.apply(self as never, args)),
  bind: (_given, target) => target,
  enable: () => contexts,
  disable: () => contexts,
};

beforeAll(() => {
  context.setGlobalContextManager(contexts);
  metrics.setGlobalMeterProvider(provider);
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }),
  );
});
afterAll(() => provider.shutdown());

const request = (key: string, fingerprint = 'v1:a'): RunRequest => ({
  scope: 'alice',
  procedure: 'orders.create',
  key,
  ageMs: undefined,
  fingerprint,
  policy: policyFrom({ mode: 'leased' }),
  failures: {
    statusOf: (error) => (error as { status?: number }).status,
    describe: () => ({ httpStatus: 402, code: 'PAYMENT_REQUIRED', message: 'declined' }),
  },
  outcomes: createOutcomeCodec(),
  trace: { actor: 'request' },
});

test('counts what became of every keyed call, with bounded labels only', async () => {
  const events: SemelEvent[] = [];
  const { engine } = createSemel({
    store: createMemoryStore(),
    recovery: false,
    onEvent: (e) => events.push(e),
  });
  await engine.run(request('a'), async () => 'done');
  await engine.run(request('a'), async () => 'done');
  await engine.run(request('a', 'v1:b'), async () => 'done');
  await engine.run(request('b'), async () => Promise.reject(Object.assign(new Error('no'), { status: 402 })));
  await expect(engine.run(request('c'), async () => Promise.reject(new Error('later')))).rejects.toThrow(
    'later',
  );

  await provider.forceFlush();
  const counted = exporter
    .getMetrics()
    .at(-1)
    ?.scopeMetrics.flatMap((scope) => scope.metrics)
    .find((metric) => metric.descriptor.name === 'idempotency.requests');
  const byOutcome = Object.fromEntries(
    (counted?.dataPoints ?? []).map((point) => [point.attributes['idempotency.outcome'], point.value]),
  );
  expect(byOutcome).toEqual({ executed: 1, replayed: 1, key_reused: 1, failed_final: 1, released: 1 });
  expect(new Set((counted?.dataPoints ?? []).flatMap((point) => Object.keys(point.attributes)))).toEqual(
    new Set(['idempotency.procedure', 'idempotency.outcome', 'idempotency.layer']),
  );
  expect(events.map((event) => event.type)).toEqual([
    'claimed',
    'executed',
    'replayed',
    'refused',
    'claimed',
    'executed',
    'claimed',
    'released',
  ]);
});

test('gives each keyed call a span that leads to its operation and carries neither key nor scope', async () => {
  spans.reset();
  const { engine } = createSemel({ store: createMemoryStore(), recovery: false });
  const result = await engine.run(request('span'), async () => 'done');
  const [span] = spans.getFinishedSpans();
  expect(span?.name).toBe('idempotency orders.create');
  expect(span?.attributes).toEqual({
    'idempotency.procedure': 'orders.create',
    'idempotency.mode': 'leased',
    'idempotency.outcome': 'completed',
    'idempotency.replayed': false,
    'idempotency.operation.id': 'operationId' in result ? result.operationId : '',
  });
});

test('a listener that throws does not reach the caller', async () => {
  const { engine } = createSemel({
    store: createMemoryStore(),
    recovery: false,
    onEvent: () => {
      throw new Error('log disk full');
    },
  });
  expect(await engine.run(request('x'), async () => 'done')).toMatchObject({
    kind: 'completed',
    value: 'done',
  });
});

async function collected(name: string) {
  await provider.forceFlush();
  return exporter
    .getMetrics()
    .at(-1)
    ?.scopeMetrics.flatMap((scope) => scope.metrics)
    .find((metric) => metric.descriptor.name === name)?.dataPoints;
}

test('the worker’s span is of a trace of its own, linked to the request’s', async () => {
  const jobs: unknown[] = [];
  const { call, run, side, idOf, jobs: memory } = await startQueued();
  const send = memory.send;
  memory.send = (tx, job, options) => {
    jobs.push(job);
    return send(tx, job, options);
  };
  run(() => 'done');
  spans.reset();
  const first = await call('linked');
  await side().execute(jobs[0] as never);
  const [request, worker] = spans.getFinishedSpans();
  expect([request?.name, worker?.name]).toEqual(['idempotency pay', 'idempotency worker pay']);
  expect(worker?.links[0]?.context).toMatchObject({
    traceId: request?.spanContext().traceId,
    spanId: request?.spanContext().spanId,
  });
  expect(worker?.attributes).toEqual({
    'idempotency.procedure': 'pay',
    'idempotency.mode': 'queued',
    'idempotency.outcome': 'ran',
    'idempotency.operation.id': idOf(first),
  });
});

test('what waits, dies and is decided can be seen, with bounded labels only', async () => {
  const { call, run, worker, semel, reaches, idOf, events } = await startQueued({
    policy: { maxAttempts: 2 },
  });
  run(() => {
    throw new Error('away');
  });
  const first = await call('k');
  const started = worker();
  await reaches(first, 'dead');
  await started.close(1000);
  await call('waits');
  await expect.poll(() => events.filter(({ type }) => type === 'dead')).toHaveLength(1);

  const labels = { 'idempotency.procedure': 'pay' };
  expect(await collected('idempotency.queue.depth')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ value: 1, attributes: { ...labels, 'idempotency.state': 'dead' } }),
      expect.objectContaining({ value: 1, attributes: { ...labels, 'idempotency.state': 'accepted' } }),
    ]),
  );
  expect((await collected('idempotency.queue.age'))?.length).toBeGreaterThanOrEqual(2);
  expect(await collected('idempotency.queue.dead_letters')).toMatchObject([{ value: 1, attributes: labels }]);
  expect(await collected('idempotency.queue.rescheduled')).toMatchObject([{ value: 1, attributes: labels }]);
  expect(await collected('idempotency.queue.attempts')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        value: expect.objectContaining({ count: 1, sum: 2 }),
        attributes: { ...labels, 'idempotency.outcome': 'dead' },
      }),
    ]),
  );
  await semel.decisions.resolve(idOf(first), { completed: 1 }, { actor: 'operator:a', reason: 'x' });
  expect(await collected('idempotency.decisions')).toMatchObject([
    { value: 1, attributes: { ...labels, 'idempotency.action': 'resolved', 'idempotency.by': 'operator' } },
  ]);
  await semel.close();
});
