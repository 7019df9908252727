import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMetrics } from '../metrics.ts';
import { createMisuseWatch, type WatchedCall } from './observer.ts';

const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const provider = new MeterProvider({
  readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })],
});
beforeAll(() => void metrics.setGlobalMeterProvider(provider));
afterAll(() => provider.shutdown());

test('a thousand scopes and clients that misuse keys make eleven series of a signal, and no scope is in any', async () => {
  const { watch } = createMisuseWatch({}, createMetrics());
  const run = watch(async (_call: WatchedCall, _handler: undefined) => ({ kind: 'completed' }));
  for (let i = 0; i < 1000; i++) {
    for (const key of ['a', 'b', 'c', 'd']) {
      const policy = { key: 'required' } as const;
      const call = { scope: `user-${i}`, procedure: 'pay', key, fingerprint: 'v1:x', policy };
      await run({ ...call, clientVersion: `made-up/${i}` }, undefined);
    }
  }
  await provider.forceFlush();
  const points = exporter
    .getMetrics()
    .at(-1)
    ?.scopeMetrics.flatMap((scope) => scope.metrics)
    .find(({ descriptor }) => descriptor.name === 'idempotency.misuse')?.dataPoints;
  const labels = points?.map(({ attributes }) => attributes) ?? [];
  expect(labels).toHaveLength(11);
  expect(labels.at(-1)).toEqual({
    'idempotency.signal': 'renewed_key',
    'idempotency.procedure': 'pay',
    'idempotency.client': '(other)',
  });
  expect(points?.at(-1)?.value).toBe(990);
  expect(JSON.stringify(labels)).not.toContain('user-');
});
