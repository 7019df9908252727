import type { Duplex } from 'node:stream';
import pg from 'pg';
import type { Statement } from '../statements/statement.ts';
import { textArray } from './array-literal.ts';

export type Row = readonly unknown[];
export type Value = string | number | boolean | readonly string[] | readonly number[] | null | undefined;

/** A statement with its values. */
export type Query = readonly [Statement, readonly Value[]];

/** What one query came to. */
export interface Answer {
  readonly rows: readonly Row[];
  /** What Postgres says was done: COMMIT may answer ROLLBACK. */
  readonly command: string;
}

/** What a flight came to. After an error nothing that follows it in the flight was done. */
export interface Landed {
  /** As far as it came, in the order of the queries. */
  readonly answers: readonly Answer[];
  /** `undefined` when all were answered. */
  readonly error: unknown;
}

/** What a flight uses of pg's connection. */
export interface Connection {
  readonly stream: Duplex;
  /** Named statements that this connection knows, and those whose Parse is on its way. */
  readonly parsedStatements: Record<string, string | undefined>;
  readonly submittedNamedStatements: Record<string, string | undefined>;
  parse(statement: { name: string | undefined; text: string }): void;
  bind(portal: { statement: string | undefined; values: readonly (string | null)[] }): void;
  describe(portal: { type: 'P'; name: '' }): void;
  execute(portal: { portal: '' }): void;
  sync(): void;
}

/** How to read the columns of an answer. */
type Columns = readonly ((text: string) => unknown)[];

interface Options {
  readonly preparedStatements: boolean;
  readonly timeoutMs: number;
  landed(landed: Landed): void;
}

/** Columns of named statements, by connection: a statement that would answer others is refused by Postgres (0A000). */
const known = new WeakMap<Connection, Map<string, Columns>>();

/** `pg.Query` as it is, where its types say less. */
const PgQuery = pg.Query as unknown as new (
  /** For whoever traces queries. Nothing writes it again: tracers make it their own. */
  text: string,
) => {
  /** Of the statement that is being answered: pg notes under it that the connection knows it now. */
  name: string | undefined;
  callback: (error?: unknown) => void;
};

/**
 * Several statements before one Sync, as one query of pg: one answer is waited for where there would be one for each, and
 * the columns of a prepared statement are asked for once, not in every call (measured: a look-up takes 0.7 of the processor time
 * that `client.query` does, the two flights of a transaction 0.57).
 *
 * In pipeline mode pg takes its own `Query` and nothing else: hence a subclass, that answers whatever pg's client tells a query.
 * What this takes for granted of pg is tested in pg-flight.test.ts.
 */
export class PgFlight extends PgQuery {
  /** Read by `client.query`, which then breaks the connection. */
  readonly query_timeout: number;
  /** With values as they are sent. */
  readonly queries: readonly (readonly [Statement, readonly (string | null)[]])[];
  readonly #prepared: boolean;
  readonly #answers: Answer[] = [];
  #connection: Connection | undefined;
  #rows: unknown[][] = [];
  #columns: Columns | undefined;

  /** @throws TypeError for a value that isn't one */
  constructor(queries: readonly Query[], { preparedStatements, timeoutMs, landed }: Options) {
    super(queries.map(([{ text }]) => text).join('; '));
    this.queries = queries.map(([statement, values]) => [statement, values.map(textOf)]);
    this.#prepared = preparedStatements;
    this.query_timeout = timeoutMs;
    this.callback = (error) => landed({ answers: this.#answers, error });
    this.#expect(0);
  }

  submit(connection: Connection): null {
    this.#connection = connection;
    const { stream } = connection;
    stream.cork();
    try {
      for (const [statement, values] of this.queries) this.#write(connection, statement, values);
      connection.sync();
    } finally {
      stream.uncork();
    }
    return null;
  }

  #write(connection: Connection, { name, text }: Statement, values: readonly (string | null)[]): void {
    const { parsedStatements, submittedNamedStatements } = connection;
    const statement = this.#prepared ? name : '';
    if (!this.#prepared || (parsedStatements[name] ?? submittedNamedStatements[name]) === undefined) {
      connection.parse({ name: statement, text });
      if (this.#prepared) submittedNamedStatements[name] = text;
    }
    connection.bind({ statement, values });
    if (!this.#prepared || knownTo(connection).get(name) === undefined)
      connection.describe({ type: 'P', name: '' });
    connection.execute({ portal: '' });
  }

  handleRowDescription({ fields }: { fields: readonly { dataTypeID: number }[] }): void {
    this.#columns = fields.map(({ dataTypeID }) => READERS.get(dataTypeID) ?? asText);
    this.#note(this.#columns);
  }

  handleDataRow({ fields }: { fields: readonly (string | null)[] }): void {
    // Not before: another flight on this connection may have asked for the columns, and its answer came ahead of this one.
    this.#columns ??= this.#connection && knownTo(this.#connection).get(this.name ?? '');
    const columns = this.#columns ?? [];
    this.#rows.push(fields.map((field, i) => (field === null ? null : (columns[i] ?? asText)(field))));
  }

  handleCommandComplete({ text }: { text: string }): void {
    this.#answers.push({ rows: this.#rows, command: text });
    this.#note([]); // of one that has no rows nothing else is told
    this.#rows = [];
    this.#columns = undefined;
    this.#expect(this.#answers.length);
  }

  handleReadyForQuery(): void {
    this.callback();
  }

  /** An answer of Postgres, which passes over the rest of the flight, or the end of the connection. */
  handleError(error: unknown): void {
    // pg itself forgets that the statement which failed was on its way.
    for (const [{ name }] of this.queries.slice(this.#answers.length + 1))
      if (this.#connection) delete this.#connection.submittedNamedStatements[name];
    this.callback(error);
  }

  /** What is known of the statement that is being answered, unless it is already. */
  #note(columns: Columns): void {
    const known = this.#connection && knownTo(this.#connection);
    if (known && this.name !== undefined && !known.has(this.name)) known.set(this.name, columns);
  }

  #expect(index: number): void {
    this.name = this.#prepared ? this.queries[index]?.[0].name : undefined;
  }
}

function knownTo(connection: Connection): Map<string, Columns> {
  const columns = known.get(connection) ?? new Map<string, Columns>();
  known.set(connection, columns);
  return columns;
}

const asText = (text: string): string => text;

/** By the type's number in pg_type. Not pg's parsers: an application may have set others for its own queries. */
const READERS = new Map<number, (text: string) => unknown>([
  [16, (text) => text === 't'], // bool
  [21, Number], // int2
  [23, Number], // int4
  [700, Number], // float4
  [701, Number], // float8
]);

function textOf(value: Value): string | null {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return null;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return textArray(value.map(String));
  throw new TypeError(
    `A statement's value must be a text, a number, a boolean or a list, not ${typeof value}`,
  );
}
