// What carries accepted operations to workers, for whoever composes a server with queued procedures. Needs pg-boss 12.35.0
// beside this package; nobody else has to install it.
export { createPgBossJobs, type PgBossJobs, type PgBossJobsOptions } from './jobs/pg-boss-jobs.ts';
