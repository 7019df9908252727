// The store, for whoever composes a server.

// Its schema, for whoever deploys one.
export { type MigratePostgresOptions, migratePostgres } from './migrations/migrate.ts';
export { type MigrationStatus, migrationStatus } from './migrations/status.ts';
export { type BatchingOptions, createPostgresStore, type PostgresStoreOptions } from './store.ts';
