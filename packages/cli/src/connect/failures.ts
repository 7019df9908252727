import { isStoreUnavailable } from '@semel/server';
import { CommandError, textOf, Unable } from '../command.ts';
import { masked } from '../terminal/masked.ts';

const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the name of the host could not be looked up',
  ETIMEDOUT: 'it did not answer in time',
  ECONNRESET: 'the connection was cut',
};

const POSTGRES: Readonly<Record<string, string>> = {
  '28P01': 'the password is wrong',
  '28000': 'this role may not log in from here',
  '3D000': 'there is no such database',
  '53300': 'it has no connection left (max_connections)',
  '57P03': 'it is starting, or shutting down',
  '42501': 'this role lacks the right to do that',
  '25006': 'it can only be read: this is a replica, not the primary',
  '55P03': 'somebody else holds a lock on it',
};

/** What kept Postgres or Redis from answering, in words; the message itself where there are none. */
export function causeOf(error: unknown): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const errors = at instanceof AggregateError ? at.errors : [at];
    for (const one of errors) {
      const { code } = one as { code?: unknown };
      const words = typeof code === 'string' ? (NETWORK[code] ?? POSTGRES[code]) : undefined;
      if (words !== undefined) return `${words} (${masked(textOf(one)) || String(code)})`;
    }
    if (at.cause === undefined) return masked(at.message);
  }
  return masked(textOf(error));
}

/** The SQLSTATE or the system's code, wherever it lies. */
export function codeOf(error: unknown): string | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const { code } = at as { code?: unknown };
    if (typeof code === 'string') return code;
  }
  return undefined;
}

/** What operators meet is said in a sentence; anything else keeps its stack. */
export function explained(error: unknown, database: string | undefined): unknown {
  if (error instanceof CommandError) return error;
  const where = database === undefined ? 'The store' : masked(database);
  const code = codeOf(error);
  if (isStoreUnavailable(error) || (code !== undefined && (code in NETWORK || code in POSTGRES))) {
    return new Unable(`${where}: ${causeOf(error)}`, { cause: error });
  }
  if (error instanceof Error && error.message.includes('call migratePostgres()')) {
    return new Unable(`${where} has no such schema, or an old one. Look with: semel migrate --dry-run`, {
      cause: error,
    });
  }
  return error;
}
