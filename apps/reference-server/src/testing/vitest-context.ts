import 'vitest';

// As in the repository's own test tools; declared here too, so that this project type-checks alone.
declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
  }
}
