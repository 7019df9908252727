import { randomBytes } from 'node:crypto';
import { createFixture, type Fixture } from '@semel/store-postgres/testing/fixture';

/** A Postgres schema of a test's own, and a table that stands for the handlers' effects. */
export interface Database extends Omit<Fixture, 'effects'> {
  /** How often each effect was committed. */
  effects(): Promise<ReadonlyMap<string, number>>;
}

export async function openDatabase(name: string): Promise<Database> {
  const fixture = await createFixture(name);
  return {
    ...fixture,
    async effects() {
      const times = new Map<string, number>();
      for (const note of await fixture.effects()) times.set(note, (times.get(note) ?? 0) + 1);
      return times;
    },
  };
}

export const randomName = (): string => randomBytes(12).toString('hex');
