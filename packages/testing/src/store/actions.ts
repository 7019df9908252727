import type { OperationState } from '@semel/contract/v1/pure';
import type { Settlement, TakeCause } from '@semel/server/store';
import fc from 'fast-check';
import { completed, failed, HOUR, MINUTE, RELEASED, SUSPENDED } from './stage.ts';

/** Something that a request, a zombie, a sweeper or time does to one of two operations. */
export type Action =
  | { readonly do: 'claim'; readonly key: number }
  | {
      readonly do: 'take';
      readonly key: number;
      readonly cause: TakeCause | 'fitting';
      readonly stale: boolean;
    }
  | { readonly do: 'settle'; readonly who: number; readonly to: Settlement['to'] }
  | { readonly do: 'renew'; readonly who: number }
  | { readonly do: 'step'; readonly who: number; readonly name: string }
  | { readonly do: 'suspendOrphan'; readonly key: number }
  | { readonly do: 'travel'; readonly ms: number }
  | { readonly do: 'sweepOrphans' }
  | { readonly do: 'sweepExpired' };

const key = fc.nat({ max: 1 });
/** Among the claims won so far: mostly living ones, and zombies. */
const who = fc.nat({ max: 20 });

export const requests: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('claim' as const), key }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('take' as const),
      key,
      cause: fc.constantFrom<TakeCause | 'fitting'>('fitting', 'fitting', 'claimed', 'overtaken', 'expired'),
      stale: fc.oneof(
        { weight: 3, arbitrary: fc.constant(false) },
        { weight: 1, arbitrary: fc.constant(true) },
      ),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      who,
      to: fc.constantFrom<Settlement['to']>('completed', 'failed', 'released', 'released', 'suspended'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('renew' as const), who }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('step' as const), who, name: fc.constantFrom('charge', 'mail') }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('suspendOrphan' as const), key }) },
);

/** Sums of these stay minutes away from every bound of the policy, so that slow stores can't change an answer. */
export const everything: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: requests },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('travel' as const),
      ms: fc.constantFrom(35 * MINUTE, 65 * MINUTE, 25 * HOUR),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Action>({ do: 'sweepOrphans' }, { do: 'sweepExpired' }) },
);

/** The cause under which a record in this state may be taken, if the time has come. */
export function causeFor(state: OperationState, cause: TakeCause | 'fitting'): TakeCause {
  if (cause !== 'fitting') return cause;
  if (state === 'processing') return 'overtaken';
  return state === 'released' ? 'claimed' : 'expired';
}

/** One answer for each attempt and kind of end, so that asking twice is asking the same. */
export function settlementOf(to: Settlement['to'], by: string): Settlement {
  if (to === 'completed') return completed(by);
  if (to === 'failed') return failed(by);
  return to === 'released' ? RELEASED : SUSPENDED;
}
