import { context, isSpanContextValid, type Span, SpanStatusCode, trace } from '@opentelemetry/api';

/** Finds the application's provider when one is registered, also later. */
const tracer = trace.getTracer('@semel/server');

/** The trace that the caller's request belongs to, for audit rows; `undefined` where nobody traces. */
export function activeTraceId(): string | undefined {
  const active = trace.getActiveSpan()?.spanContext();
  return active !== undefined && isSpanContextValid(active) ? active.traceId : undefined;
}

/** A span around one keyed call. Its name has no key in it, its attributes have no input. */
export function withSpan<T>(procedure: string, mode: string, work: (span: Span) => Promise<T>): Promise<T> {
  const attributes = { 'idempotency.procedure': procedure, 'idempotency.mode': mode };
  const span = tracer.startSpan(`idempotency ${procedure}`, { attributes });
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
