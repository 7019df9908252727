import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { z } from 'zod';

/** What every variant is asked to do, and to do once: write one row. */
export const thingInput = z.object({
  reference: z.string(),
  amount: z.number(),
  /** The handler waits so long before its effect. */
  delayMs: z.number().optional(),
  /** Where the bench has armed it, the handler stops dead after its effect, to be killed there. */
  crash: z.boolean().optional(),
});
export type ThingInput = z.infer<typeof thingInput>;

export interface Thing {
  /** Fresh for each execution: a replay is told from a second execution by it. */
  readonly id: string;
  readonly reference: string;
  readonly amount: number;
}

/** Anything that runs a statement: the pool, or the transaction that an effect belongs to. */
type Queries = Pick<pg.ClientBase, 'query'>;

export interface Things {
  /** The handler's work: one INSERT, through `tx` where the effect shall be part of a transaction. */
  create(input: ThingInput, tx?: Queries): Promise<Thing>;
  /** Effects that happened under a reference. */
  count(reference: string): Promise<number>;
  close(): Promise<void>;
}

const INSERT = {
  name: 'bench_effect',
  text: 'insert into effects (id, reference, amount) values ($1, $2, $3)',
};

/** @param armed called after an effect whose input says `crash`; what it returns is awaited before the handler returns */
export async function openThings(
  connectionString: string,
  armed?: (input: ThingInput) => Promise<never>,
): Promise<Things> {
  const pool = new pg.Pool({ connectionString, max: 10 });
  pool.on('error', () => {}); // of an idle connection: the next query opens another
  // No index on reference: all would pay for what only counting needs.
  await pool.query(
    'create table if not exists effects (id uuid primary key, reference text not null, amount integer not null)',
  );
  return {
    async create(input, tx = pool) {
      const { reference, amount, delayMs } = input;
      if (delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, delayMs));
      const id = randomUUID();
      await tx.query({ ...INSERT, values: [id, reference, amount] });
      if (input.crash === true) await armed?.(input);
      return { id, reference, amount };
    },
    async count(reference) {
      const { rows } = await pool.query<{ count: number }>(
        'select count(*)::int as count from effects where reference = $1',
        [reference],
      );
      return rows[0]?.count ?? 0;
    },
    close: () => pool.end(),
  };
}
