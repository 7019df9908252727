import type { Job } from '@semel/contract/v1/pure';

/** Names, no content: the input stays in the record, sealed if the policy says so. */
export function jobOf(
  { operationId, scope, procedure }: { operationId: string; scope: string; procedure: string },
  traceparent?: string,
): Job {
  const job: Job = { v: 1, operationId, scope, procedure };
  return traceparent === undefined ? job : { ...job, traceparent };
}
