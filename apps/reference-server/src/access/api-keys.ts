import { createHash, randomBytes } from 'node:crypto';
import type { Queryable } from '../database/pool.ts';
import type { Role } from './roles.ts';

/** A key as it may be shown: never the key itself. */
export interface ApiKey {
  readonly id: string;
  readonly tenantId: string;
  readonly roles: readonly Role[];
  readonly createdAt: Date;
  readonly revokedAt: Date | null;
}

/** Stored instead of the key. A plain hash is enough for 256 random bits: there is nothing to guess. */
export const hashOfKey = (key: string): Buffer => createHash('sha256').update(key).digest();

const COLUMNS = `id, tenant_id AS "tenantId", roles, created_at AS "createdAt", revoked_at AS "revokedAt"`;

/** @returns the key, which can't be shown again, and what is stored about it */
export async function createApiKey(
  db: Queryable,
  { tenantId, roles }: { readonly tenantId: string; readonly roles: readonly Role[] },
): Promise<{ readonly key: string; readonly stored: ApiKey }> {
  const key = `sk_${randomBytes(32).toString('base64url')}`;
  const id = `key_${randomBytes(9).toString('base64url')}`;
  const { rows } = await db.query<ApiKey>(
    `INSERT INTO access.api_key (id, tenant_id, roles, hash) VALUES ($1, $2, $3, $4) RETURNING ${COLUMNS}`,
    [id, tenantId, roles, hashOfKey(key)],
  );
  return { key, stored: rows[0] as ApiKey };
}

export async function listApiKeys(db: Queryable): Promise<readonly ApiKey[]> {
  const { rows } = await db.query<ApiKey>(`SELECT ${COLUMNS} FROM access.api_key ORDER BY created_at, id`);
  return rows;
}

/** Takes effect with the next call. @returns `false` when there is no such key, or it was revoked before */
export async function revokeApiKey(db: Queryable, id: string): Promise<boolean> {
  const { rowCount } = await db.query(
    'UPDATE access.api_key SET revoked_at = clock_timestamp() WHERE id = $1 AND revoked_at IS NULL',
    [id],
  );
  return rowCount === 1;
}

/** The key's row unless it was revoked. */
export async function findApiKey(db: Queryable, key: string): Promise<ApiKey | undefined> {
  const { rows } = await db.query<ApiKey>(
    `SELECT ${COLUMNS} FROM access.api_key WHERE hash = $1 AND revoked_at IS NULL`,
    [hashOfKey(key)],
  );
  return rows[0];
}
