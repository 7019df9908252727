/** The body of a 202: the operation is queued; ask for its status after `pollAfterMs`. */
export interface AcceptedBody {
  $idempotency: 'accepted';
  operationId: string;
  pollAfterMs: number;
}

export function isAcceptedBody(value: unknown): value is AcceptedBody {
  const body = value as AcceptedBody | null | undefined;
  return (
    body?.$idempotency === 'accepted' &&
    typeof body.operationId === 'string' &&
    body.operationId !== '' &&
    Number.isFinite(body.pollAfterMs) &&
    body.pollAfterMs >= 0
  );
}

/**
 * Whether a value has a top-level `$idempotency`, even an inherited one. A handler's output that does is refused before
 * it is stored: a client could take it for an accepted answer.
 */
export function hasReservedMember(value: unknown): boolean {
  return typeof value === 'object' && value !== null && '$idempotency' in value;
}
