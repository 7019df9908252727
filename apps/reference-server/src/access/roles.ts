import { z } from 'zod';

export const role = z.enum(['merchant', 'viewer', 'operator', 'admin']);
export type Role = z.infer<typeof role>;

/** What a procedure can ask for. */
export type Permission = 'create' | 'read';

const GRANTS: Readonly<Record<Role, readonly Permission[]>> = {
  merchant: ['create', 'read'],
  viewer: ['read'],
  operator: ['read'],
  admin: ['create', 'read'],
};

export const allows = (roles: readonly Role[], permission: Permission): boolean =>
  roles.some((held) => GRANTS[held].includes(permission));
