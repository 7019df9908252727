import { createProcessLayer, createSemel, type SemelEvent } from '@semel/server';
import type { Layer } from '@semel/server/store';
import { expect, onTestFinished } from 'vitest';
import { type Database, randomName } from './fixture.ts';

export interface LoadOptions {
  readonly db: Database;
  readonly layer: Layer;
  readonly onEvent: (event: SemelEvent) => void;
}

/** Two servers' callers, each key sent many times, until `stop`. What comes out says whether anything was wrong. */
export function startLoad({ db, layer, onEvent }: LoadOptions) {
  const servers = [[layer], [createProcessLayer({ maxEntries: 20 }), layer]].map((layers) =>
    createSemel({ store: db.store(), layers, recovery: false, onEvent }),
  );
  const answers = new Map<string, string>();
  const wrong: unknown[] = [];
  let asked = 0;
  let made = 0;
  let isStopped = false;
  // Also when the test fails first: callers without end would eat the machine.
  onTestFinished(() => {
    isStopped = true;
  });

  /** With a pause: refusals need no event, and callers who try again at once would let nothing else in this process run. */
  async function failed(what: unknown): Promise<void> {
    wrong.push(what);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }

  async function ask(turn: number): Promise<void> {
    // One in three is new, the others are duplicates of the last few, perhaps still running.
    const key = `k${turn % 3 === 0 ? made++ : Math.max(0, made - 1 - (turn % 40))}`;
    const semel = servers[turn % 2];
    const call = { scope: 'tenant', name: 'pay', key, input: key, inFlight: { waitMs: 10_000 } } as const;
    try {
      const done = await semel?.run({ ...call, mode: 'atomic' }, async ({ tx }) => {
        await db.effect(tx, key);
        return randomName();
      });
      if (done?.kind !== 'completed') await failed(done);
      else if (answers.get(key) === undefined) answers.set(key, done.value);
      else if (answers.get(key) !== done.value) wrong.push({ key, was: answers.get(key), is: done.value });
    } catch (error) {
      await failed(error);
    }
  }
  const callers = Array.from({ length: 12 }, async () => {
    while (!isStopped) await ask(asked++);
  });
  return {
    asked: () => asked,
    /** Waits until that many more were asked. */
    more: (n: number) => {
      const goal = asked + n;
      return expect.poll(() => asked, { timeout: 60_000 }).toBeGreaterThan(goal);
    },
    async stop() {
      isStopped = true;
      await Promise.all(callers);
      await Promise.all(servers.map((semel) => semel.close()));
      const effects = await db.effects();
      return {
        wrong,
        keys: answers.size,
        twice: [...effects].filter(([, times]) => times !== 1),
        effects: effects.size,
      };
    },
  };
}
