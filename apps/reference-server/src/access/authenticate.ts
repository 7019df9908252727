import type { Queryable } from '../database/pool.ts';
import { findApiKey } from './api-keys.ts';
import { isDemoKey } from './demo-keys.ts';
import type { Role } from './roles.ts';

/** Who calls, as the API key says. The tenant is the scope of every idempotency key. */
export interface Principal {
  readonly keyId: string;
  readonly tenantId: string;
  readonly roles: readonly Role[];
}

export type Authentication =
  | { readonly kind: 'known'; readonly principal: Principal }
  /** No key, not a key of ours, or a revoked one: the caller isn't told which. */
  | { readonly kind: 'unknown' }
  /** The database could not be asked. */
  | { readonly kind: 'unavailable'; readonly cause: unknown };

export type Authenticate = (authorization: string | undefined) => Promise<Authentication>;

const BEARER = /^Bearer +([\x21-\x7e]{1,200})$/i;

/** Asks the database each time: a revoked key stops working with the next call. */
export function createAuthenticate(
  db: Queryable,
  { demoKeys }: { readonly demoKeys: boolean },
): Authenticate {
  return async (authorization) => {
    const key = BEARER.exec(authorization ?? '')?.[1];
    if (key === undefined || (isDemoKey(key) && !demoKeys)) return { kind: 'unknown' };
    try {
      const found = await findApiKey(db, key);
      if (found === undefined) return { kind: 'unknown' };
      return { kind: 'known', principal: { keyId: found.id, tenantId: found.tenantId, roles: found.roles } };
    } catch (cause) {
      return { kind: 'unavailable', cause };
    }
  };
}
