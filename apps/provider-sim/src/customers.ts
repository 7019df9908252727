import type { LoseHow } from './faults.ts';

/** How an answer reaches the client. */
export type Delivery =
  | { readonly kind: 'send'; readonly afterMs: number }
  | { readonly kind: 'lose'; readonly how: LoseHow; readonly afterMs: number }
  | { readonly kind: 'never' };

export interface CustomerSettings {
  readonly slowMs: number;
  readonly loseTimes: number;
  readonly loseHow: LoseHow;
}

export interface Occasion {
  readonly customer: string | null;
  readonly isReplay: boolean;
  /** Answers already lost for this idempotency key. */
  readonly lost: number;
}

/** `cus_5xx` fails this often per idempotency key, without an effect, before it works. */
export const failuresOf = (customer: string | null): number => (customer === 'cus_5xx' ? 2 : 0);

/** The test customers of the reference API; everybody else is like `cus_ok`. */
export function deliveryFor({ customer, isReplay, lost }: Occasion, settings: CustomerSettings): Delivery {
  if (customer === 'cus_timeout') return { kind: 'never' };
  if (customer === 'cus_lost' && lost < settings.loseTimes) {
    return { kind: 'lose', how: settings.loseHow, afterMs: 0 };
  }
  return { kind: 'send', afterMs: customer === 'cus_slow' && !isReplay ? settings.slowMs : 0 };
}
