import { createProblem, HEADER, parseKeyListHeader, routeInput } from '@semel/contract/v1/pure';
import { admitKey } from '../../admission/admit-key.ts';
import { type Admitted, admitRequest, UnfingerprintableInput } from '../../admission/admit-request.ts';
import { IdempotencyError, isIdempotencyError } from '../../admission/idempotency-error.ts';
import type { Route } from './route-policy.ts';

/** Who asks for what, under which key; or why that can't be told, before anything is claimed. */
export function askedBy(
  request: Request,
  body: Uint8Array,
  principal: string,
  { policy, name }: Route,
  minKeyLength: number,
): Admitted | IdempotencyError {
  const { headers } = request;
  const keys = headers.get(HEADER.keys);
  const admitted = admitKey(
    {
      key: headers.get(HEADER.key) ?? undefined,
      keys: keys === null ? undefined : () => parseKeyListHeader(keys),
      contract: headers.get(HEADER.contract) ?? undefined,
      calls: 1,
    },
    { enveloped: false },
    0,
  );
  if (!admitted.ok) return new IdempotencyError(createProblem(admitted.code), { reason: admitted.reason });

  const { pathname, search } = new URL(request.url);
  const asked = {
    method: request.method,
    path: pathname,
    search,
    contentType: headers.get('content-type'),
    contentEncoding: headers.get('content-encoding'),
    body,
  };
  const admit = (asBytes: boolean): Admitted =>
    admitRequest({
      policy,
      procedure: name,
      principal,
      key: admitted.key,
      input: routeInput(asked, { asBytes }),
      minKeyLength,
    });
  try {
    return admit(false);
  } catch (error) {
    if (isIdempotencyError(error)) return error;
    // Nested too deep or too long for a canonical form: then the same bytes are the same request.
    if (error instanceof UnfingerprintableInput) return admit(true);
    throw error;
  }
}
