import { type Attributes, metrics } from '@opentelemetry/api';
import type { EventListener, SemelEvent } from './events.ts';

/**
 * OpenTelemetry metrics of the engine. Without an SDK registered they cost next to nothing.
 * Keys, scopes and operation ids are never labels: their number has no bound.
 */
export function createMetrics(): EventListener {
  const meter = metrics.getMeter('@semel/server');
  const requests = meter.createCounter('idempotency.requests', {
    unit: '{request}',
    description: 'Keyed requests by what became of them',
  });
  const duration = meter.createHistogram('idempotency.execution.duration', {
    unit: 's',
    description: 'From claim to stored outcome',
    advice: { explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60] },
  });
  const takeovers = meter.createCounter('idempotency.lease.takeovers', { unit: '{takeover}' });
  const fences = meter.createCounter('idempotency.fence.rejections', { unit: '{rejection}' });
  const suspended = meter.createCounter('idempotency.suspended', { unit: '{operation}' });
  const steps = meter.createCounter('idempotency.steps', { unit: '{step}' });
  const deleted = meter.createCounter('idempotency.retention.deleted', { unit: '{operation}' });
  const undecryptable = meter.createCounter('idempotency.undecryptable', { unit: '{record}' });
  const purged = meter.createCounter('idempotency.purged', { unit: '{operation}' });
  const open = meter.createUpDownCounter('idempotency.layer.open', {
    unit: '{layer}',
    description: '1 while a layer is left out because it does not work',
  });
  const count = (procedure: string, outcome: string, layer?: string): void => {
    const attributes: Attributes = { 'idempotency.procedure': procedure, 'idempotency.outcome': outcome };
    if (layer !== undefined) attributes['idempotency.layer'] = layer;
    requests.add(1, attributes);
  };

  return (event: SemelEvent) => {
    switch (event.type) {
      case 'executed':
        count(event.procedure, event.outcome === 'completed' ? 'executed' : 'failed_final');
        duration.record(event.durationMs / 1000, { 'idempotency.procedure': event.procedure });
        return;
      case 'replayed':
        return count(event.procedure, 'replayed', event.layer);
      case 'rolled_back':
      case 'released':
        return count(event.procedure, event.type);
      case 'refused':
        return count(event.procedure, event.code);
      case 'claimed':
        if (event.cause === 'overtaken') takeovers.add(1, { 'idempotency.procedure': event.procedure });
        return;
      case 'suspended':
        return suspended.add(1, { 'idempotency.procedure': event.procedure });
      case 'fenced':
        return fences.add(1, { 'idempotency.procedure': event.procedure, 'idempotency.write': event.write });
      case 'step':
        return steps.add(1, {
          'idempotency.procedure': event.procedure,
          'idempotency.resumed': event.resumed,
        });
      case 'undecryptable':
        return undecryptable.add(1, {
          'idempotency.procedure': event.procedure,
          'idempotency.what': event.what,
          'idempotency.why': event.why,
        });
      case 'purged':
        return purged.add(event.purged);
      case 'recovered':
        suspended.add(event.suspended, { 'idempotency.procedure': '(recovery)' });
        return deleted.add(event.deleted);
      case 'layer_opened':
        return open.add(1, { 'idempotency.layer': event.layer });
      case 'layer_closed':
        return open.add(-1, { 'idempotency.layer': event.layer });
      case 'outcome_dropped':
      case 'recovery_failed':
        return;
    }
  };
}

/** What a layer knew. `rejected`: what it had was not whole, expired, or another's. */
export type LayerAnswered = (layer: string, answer: 'hit' | 'miss' | 'held' | 'rejected') => void;

/** Counted apart from the events: this happens to every request, and says nothing about its operation. */
export function createLayerMetrics(): LayerAnswered {
  const asked = metrics.getMeter('@semel/server').createCounter('idempotency.layer.requests', {
    unit: '{request}',
    description: 'What the layers in front of the store of record knew',
  });
  return (layer, answer) => asked.add(1, { 'idempotency.layer': layer, 'idempotency.answer': answer });
}
