import {
  type Claim,
  type ClaimRequest,
  EXPIRY_GRACE_MS,
  type OperationRecord,
  type RecordedPolicy,
  type Settlement,
  type TakeCause,
} from '@semel/server/store';
import { outcomeOf } from '../settlements.ts';

/** What a store without batching, which takes calls one by one, knows of an operation. */
export interface Modelled {
  readonly operationId: string;
  readonly state: OperationRecord['state'];
  readonly attempt: number;
  readonly owner: string;
  readonly version: number;
  readonly outcome: string | undefined;
  readonly steps: readonly string[];
  readonly leaseUntil: number;
  readonly freeAt: number;
}

export type Call =
  | { readonly do: 'claim'; readonly request: ClaimRequest }
  | {
      readonly do: 'take';
      readonly request: ClaimRequest;
      readonly seen: OperationRecord;
      readonly cause: TakeCause;
    }
  | { readonly do: 'settle'; readonly claim: Claim; readonly settlement: Settlement }
  | { readonly do: 'step'; readonly claim: Claim; readonly name: string };

type Policy = Pick<RecordedPolicy, 'leaseMs' | 'ttlMs'>;
type Found = Modelled | undefined;

/** The operations that may be there after these calls were answered so, taken one by one in every order. */
export function explanations(
  before: Found,
  made: readonly { readonly call: Call; readonly answer: string }[],
  now: number,
  policy: Policy,
): Found[] {
  if (made.length === 0) return [before];
  return made.flatMap(({ call, answer }, i) => {
    const next = step(before, call, now, policy);
    return next.answer === answer ? explanations(next.after, made.toSpliced(i, 1), now, policy) : [];
  });
}

function step(found: Found, call: Call, now: number, policy: Policy): { after: Found; answer: string } {
  switch (call.do) {
    case 'claim':
      return found === undefined ? won(first(call.request, now, policy)) : lost(found, call.request);
    case 'take': {
      const { request, seen, cause } = call;
      if (found === undefined) return won(first(request, now, policy));
      if (
        found.operationId !== seen.operationId ||
        found.version !== seen.version ||
        !may(found, cause, now)
      ) {
        return lost(found, request);
      }
      if (cause === 'expired') return won(first(request, now, policy));
      const { attempt, version } = found;
      const taken = { state: 'processing', owner: request.owner, freeAt: Number.POSITIVE_INFINITY } as const;
      const leaseUntil = now + policy.leaseMs;
      return won({ ...found, ...taken, leaseUntil, attempt: attempt + 1, version: version + 1 });
    }
    case 'settle': {
      const { claim, settlement } = call;
      if (found !== undefined && isOf(found, claim)) {
        const outcome = outcomeOf(settlement);
        if (found.state === settlement.to && found.outcome === outcome)
          return { after: found, answer: 'settled' };
        if (found.state === 'processing') {
          const freeAt =
            settlement.to === 'suspended' ? Number.POSITIVE_INFINITY : now + policy.ttlMs + EXPIRY_GRACE_MS;
          const after = { ...found, state: settlement.to, outcome, freeAt, version: found.version + 1 };
          return { after, answer: 'settled' };
        }
      }
      return overtaken(found);
    }
    case 'step': {
      const { claim, name } = call;
      if (found?.state !== 'processing' || !isOf(found, claim)) return overtaken(found);
      const steps = found.steps.includes(name) ? found.steps : [...found.steps, name];
      return { after: { ...found, steps }, answer: 'recorded' };
    }
  }
}

function first({ operationId, owner }: ClaimRequest, now: number, policy: Policy): Modelled {
  const fresh = { state: 'processing', attempt: 1, version: 1, outcome: undefined, steps: [] } as const;
  return { ...fresh, operationId, owner, leaseUntil: now + policy.leaseMs, freeAt: Number.POSITIVE_INFINITY };
}

function may(found: Modelled, cause: TakeCause, now: number): boolean {
  if (cause === 'claimed') return found.state === 'released';
  if (cause === 'overtaken') return found.state === 'processing' && found.leaseUntil <= now;
  return found.freeAt <= now;
}

const isOf = (found: Modelled, claim: Claim): boolean =>
  found.operationId === claim.operationId && found.owner === claim.owner && found.attempt === claim.attempt;

function won(after: Modelled) {
  return { after, answer: `won ${after.operationId} ${after.owner} ${after.attempt}` };
}

/** Unless the very same request holds it. */
function lost(found: Modelled, { owner }: ClaimRequest) {
  return found.owner === owner && found.state === 'processing'
    ? won(found)
    : { after: found, answer: 'lost' };
}

function overtaken(found: Found) {
  return { after: found, answer: `overtaken ${found?.state ?? 'released'} ${found?.attempt ?? 0}` };
}
