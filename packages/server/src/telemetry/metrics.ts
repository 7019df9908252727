import { type Attributes, metrics } from '@opentelemetry/api';
import type { EventListener, SemelEvent } from './events.ts';
import { createBoundedLabel } from './misuse/client-version.ts';

/** Callers choose what their clients are called: names beyond these are `(other)`. */
const MAX_CLIENTS = 10;

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
  const misuse = meter.createCounter('idempotency.misuse', {
    unit: '{signal}',
    description: 'Callers that use keys wrongly: once a window for each signal, scope and procedure',
  });
  const clientLabel = createBoundedLabel(MAX_CLIENTS);
  const attempts = meter.createHistogram('idempotency.queue.attempts', {
    unit: '{attempt}',
    description: 'Attempts that queued work took until it was settled or dead',
    advice: { explicitBucketBoundaries: [1, 2, 3, 5, 8, 13, 21, 50] },
  });
  const waited = meter.createHistogram('idempotency.queue.wait', {
    unit: 's',
    description: 'From acceptance to the first attempt of queued work',
    advice: { explicitBucketBoundaries: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 300, 3600] },
  });
  const deadLetters = meter.createCounter('idempotency.queue.dead_letters', { unit: '{operation}' });
  const rescheduled = meter.createCounter('idempotency.queue.rescheduled', { unit: '{attempt}' });
  const troubles = meter.createCounter('idempotency.troubles', {
    unit: '{trouble}',
    description: 'What should not happen and needs a look at the logs, by kind',
  });
  const healed = meter.createCounter('idempotency.queue.healed', { unit: '{job}' });
  const decisions = meter.createCounter('idempotency.decisions', {
    unit: '{decision}',
    description: 'What resolvers and operators decided about operations that could not go on by themselves',
  });
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
        if (event.queued === true)
          attempts.record(event.attempt ?? 0, {
            'idempotency.procedure': event.procedure,
            'idempotency.outcome': event.outcome,
          });
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
      case 'enqueued':
      case 'accepted':
        return count(event.procedure, event.type);
      case 'started':
        if (event.cause === 'overtaken') takeovers.add(1, { 'idempotency.procedure': event.procedure });
        if (event.waitedMs !== undefined)
          waited.record(event.waitedMs / 1000, { 'idempotency.procedure': event.procedure });
        return;
      case 'rescheduled':
        return rescheduled.add(1, { 'idempotency.procedure': event.procedure });
      case 'dead':
        attempts.record(event.attempt ?? 0, {
          'idempotency.procedure': event.procedure,
          'idempotency.outcome': 'dead',
        });
        return deadLetters.add(1, { 'idempotency.procedure': event.procedure });
      case 'healed':
        return healed.add(1, { 'idempotency.procedure': event.procedure });
      case 'decided':
        return decisions.add(1, {
          'idempotency.procedure': event.procedure,
          'idempotency.action': event.action,
          'idempotency.by': event.actor === 'resolver' ? 'resolver' : 'operator',
        });
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
      case 'misuse':
        return misuse.add(1, {
          'idempotency.signal': event.signal,
          'idempotency.procedure': event.procedure,
          'idempotency.client': clientLabel(event.clientVersion),
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
      case 'resolver_failed':
      case 'unknown_procedure':
      case 'job_unreadable':
      case 'worker_failed':
        return troubles.add(1, { 'idempotency.trouble': event.type });
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
