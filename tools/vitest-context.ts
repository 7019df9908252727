import 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** The Postgres that the run started (or `DATABASE_URL`): make a schema of your own in it. */
    databaseUrl: string;
  }
}
