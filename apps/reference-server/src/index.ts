/** For clients. */

/** Brings the application's own tables up to date; `migratePostgres` of the store does its own. */
export { migrateDatabase } from './database/migrate.ts';
export type { Payment } from './payments/payment.ts';
export type { AppRouter } from './procedures/router.ts';
/** The server, for tests and for those who start it themselves. */
export { createReferenceServer, type ReferenceServer, type ReferenceServerOptions } from './server.ts';
export { readSettings, type Settings, SettingsError } from './settings.ts';
