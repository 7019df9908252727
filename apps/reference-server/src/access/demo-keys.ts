import type { Queryable } from '../database/pool.ts';
import { hashOfKey } from './api-keys.ts';
import type { Role } from './roles.ts';

/** Public knowledge, for trying things out. Refused unless the settings let them in. */
export const DEMO_KEYS: readonly { readonly key: string; readonly tenantId: string; readonly role: Role }[] =
  [
    { key: 'sk_demo_acme', tenantId: 'acme', role: 'merchant' },
    { key: 'sk_demo_globex', tenantId: 'globex', role: 'merchant' },
    { key: 'sk_demo_operator', tenantId: 'operations', role: 'operator' },
  ];

/** By the text and not by the row: a database may still hold them from a time when they were let in. */
export const isDemoKey = (key: string): boolean => key.startsWith('sk_demo_');

export async function ensureDemoKeys(db: Queryable): Promise<void> {
  for (const { key, tenantId, role } of DEMO_KEYS) {
    await db.query(
      `INSERT INTO access.api_key (id, tenant_id, roles, hash) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
      [`key_demo_${tenantId}`, tenantId, [role], hashOfKey(key)],
    );
  }
}
