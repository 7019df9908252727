import type { TrpcIdempotency } from '@semel/server/trpc';
import type pg from 'pg';
import type { PaymentProvider } from '../payments/provider.ts';
import type { Settings } from '../settings.ts';
import type { Logger } from '../telemetry/logging.ts';
import type { ProviderRefs } from '../telemetry/provider-refs.ts';

/** What procedures are made of. */
export interface Parts {
  readonly idempotent: TrpcIdempotency<pg.ClientBase>;
  /** Reads; writes go through the operation. */
  readonly db: pg.Pool;
  readonly provider: PaymentProvider;
  readonly refs: ProviderRefs;
  readonly log: Logger;
  readonly settings: Settings;
}
