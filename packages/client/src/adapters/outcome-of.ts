import type { SafeResult, TRPCPromise } from '@trpc/client';
import { SemelClientError } from '../errors.ts';
import type { Outcome } from '../outcome.ts';
import { asValues, type Slot, withSlot } from './slot.ts';

/**
 * Runs one mutation and says what became of it, as a value: `outcomeOf(() => client.x.mutate(input))`. Never rejects.
 * The callback has to make the call synchronously, and no link before Semel's may be asynchronous; else `replayed` and
 * `key` of a completed call are `undefined`.
 */
export function outcomeOf<TData, TShape>(
  call: () => TRPCPromise<TData, TShape>,
): Promise<Outcome<TData, NonNullable<SafeResult<TData, TShape>[1]>>>;
export function outcomeOf<TData>(call: () => Promise<TData>): Promise<Outcome<TData>>;
export async function outcomeOf<TData>(call: () => Promise<TData>): Promise<Outcome<TData>> {
  const slot: Slot = {};
  try {
    const data = await withSlot(slot, call);
    // What `keyedFetch` resolves with says it already (as a resumed plain request does).
    if (asValues.has(data as object)) return data as Outcome<TData>;
    const known = slot.outcome ?? { status: 'completed', replayed: undefined, key: undefined };
    // The promise's value may have gone through other links.
    return { ...known, ...(known.status === 'completed' && { data }) } as Outcome<TData>;
  } catch (error) {
    const known = slot.outcome ??
      SemelClientError.from(error)?.outcome ?? { status: 'rejected', key: undefined };
    return { ...known, ...(known.status === 'rejected' && { error }) } as Outcome<TData>;
  }
}
