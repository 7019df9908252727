import {
  context,
  isSpanContextValid,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';

/** Finds the application's provider when one is registered, also later. */
const tracer = trace.getTracer('@semel/server');

/** The trace that the caller's request belongs to, for audit rows; `undefined` where nobody traces. */
export function activeTraceId(): string | undefined {
  const active = trace.getActiveSpan()?.spanContext();
  return active !== undefined && isSpanContextValid(active) ? active.traceId : undefined;
}

/** W3C trace context of the caller's span, for what is done later; `undefined` where nobody traces. */
export function activeTraceparent(): string | undefined {
  const active = trace.getActiveSpan()?.spanContext();
  if (active === undefined || !isSpanContextValid(active)) return undefined;
  const flags = (active.traceFlags & 0xff).toString(16).padStart(2, '0');
  return `00-${active.traceId}-${active.spanId}-${flags}`;
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** `undefined` for anything else: what a queue carries may have been written by anybody. */
export function spanContextOf(traceparent: string | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  const found = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return isSpanContextValid(found) ? found : undefined;
}

/** A span around one keyed call. Its name has no key in it, its attributes have no input. */
export function withSpan<T>(procedure: string, mode: string, work: (span: Span) => Promise<T>): Promise<T> {
  const attributes = { 'idempotency.procedure': procedure, 'idempotency.mode': mode };
  return inside(tracer.startSpan(`idempotency ${procedure}`, { attributes }), work);
}

/** A span around a worker's delivery: of a trace of its own (the request's has long ended), linked to the request's. */
export function withJobSpan<T>(
  procedure: string,
  traceparent: string | undefined,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const request = spanContextOf(traceparent);
  const span = tracer.startSpan(`idempotency worker ${procedure}`, {
    kind: SpanKind.CONSUMER,
    attributes: { 'idempotency.procedure': procedure, 'idempotency.mode': 'queued' },
    ...(request === undefined ? undefined : { links: [{ context: request }] }),
  });
  return inside(span, work);
}

function inside<T>(span: Span, work: (span: Span) => Promise<T>): Promise<T> {
  // Where nobody records, a context of its own for every call would cost more than the engine's own judgement.
  if (!span.isRecording()) return work(span);
  return context.with(trace.setSpan(context.active(), span), async () => {
    try {
      return await work(span);
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR });
      if (error instanceof Error) span.recordException(error);
      throw error;
    } finally {
      span.end();
    }
  });
}
