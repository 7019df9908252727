import type { Trace } from '../store/port.ts';
import { activeTraceId } from '../telemetry/tracing.ts';

/** Who makes the transitions of a call, for their audit rows. @param traceId @default the active span's, where somebody traces */
export function traceOf(actor: string, traceId: string | undefined = activeTraceId()): Trace {
  return traceId === undefined ? { actor } : { actor, traceId };
}
