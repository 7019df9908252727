import { isSpanContextValid, type Span, SpanStatusCode, trace } from '@opentelemetry/api';

/** The trace that the caller's request belongs to, for audit rows; `undefined` where nobody traces. */
export function activeTraceId(): string | undefined {
  const context = trace.getActiveSpan()?.spanContext();
  return context !== undefined && isSpanContextValid(context) ? context.traceId : undefined;
}

/** A span around one keyed call. Its name has no key in it, its attributes have no input. */
export function withSpan<T>(procedure: string, mode: string, work: (span: Span) => Promise<T>): Promise<T> {
  return trace
    .getTracer('@semel/server')
    .startActiveSpan(
      `idempotency ${procedure}`,
      { attributes: { 'idempotency.procedure': procedure, 'idempotency.mode': mode } },
      async (span) => {
        try {
          return await work(span);
        } catch (error) {
          span.setStatus({ code: SpanStatusCode.ERROR });
          if (error instanceof Error) span.recordException(error);
          throw error;
        } finally {
          span.end();
        }
      },
    );
}
