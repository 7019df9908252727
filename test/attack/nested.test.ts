import type { Operation } from '@semel/server';
import { createFixture, type Fixture, random } from '@semel/store-postgres/testing/fixture';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, semelOn } from './attack.ts';

let db: Fixture;
beforeAll(async () => {
  db = await createFixture('attack_nested');
});
afterAll(() => db.close());

test('what the outer handler writes while a nested call runs is refused, not undone silently with it', async () => {
  const store = db.store();
  const { engine } = semelOn(store);
  const note = random();
  const begun = Promise.withResolvers<void>();
  const mayFail = Promise.withResolvers<void>();
  const result = await engine.run(call({ mode: 'atomic' }, { key: note }), async (outer) => {
    const nested = engine.runNested(outer, { procedure: 'inner', mode: 'atomic' }, async (inner) => {
      await inner.tx.query('SELECT 1');
      begun.resolve();
      await mayFail.promise;
      throw new Error('no');
    });
    nested.catch(() => {});
    await begun.promise;
    const effect = db.effect(outer.tx, note);
    mayFail.resolve();
    const settled = await Promise.allSettled([nested, effect]);
    return settled.map(({ status }) => status);
  });
  // Both write on one connection, and a savepoint undoes whatever came after it, whoever sent it.
  expect(result).toMatchObject({ kind: 'completed', value: ['rejected', 'rejected'] });
  expect(await db.effects()).not.toContain(note);
});

test('a nested call that is made after its outer handler has ended does nothing', async () => {
  const store = db.store();
  const { engine } = semelOn(store);
  const outers: Parameters<Parameters<typeof engine.run>[1]>[0][] = [];
  await engine.run(call({ mode: 'atomic' }, { key: random() }), async (outer) => {
    outers.push(outer);
    return 1;
  });
  const [outer] = outers;
  if (outer === undefined) throw new Error('no operation');
  const note = random();
  const late = engine.runNested(outer, { procedure: 'inner', mode: 'atomic' }, (inner) =>
    db.effect(inner.tx, note),
  );
  await expect(late).rejects.toThrow('The transaction is over');
  expect((await db.effects()).includes(note)).toBe(false);
});

test('nested calls in nested calls, one of which fails, keep what the others wrote', async () => {
  const store = db.store();
  const { engine } = semelOn(store);
  const note = random();
  const nest = (
    outer: Operation<pg.ClientBase>,
    body: (inner: Operation<pg.ClientBase>) => Promise<unknown>,
  ) => engine.runNested(outer, { procedure: 'inner', mode: 'atomic' }, body);
  await engine.run(call({ mode: 'atomic' }, { key: note }), async (outer) => {
    await Promise.allSettled([
      nest(outer, async (a) => {
        await db.effect(a.tx, `${note} a`);
        await nest(a, async (b) => {
          await db.effect(b.tx, `${note} b`);
          throw new Error('no');
        }).catch(() => {});
        await db.effect(a.tx, `${note} c`);
      }),
      nest(outer, (d) => db.effect(d.tx, `${note} d`)),
    ]);
    await db.effect(outer.tx, `${note} e`);
    return 1;
  });
  const kept = (await db.effects()).filter((each) => each.startsWith(note));
  expect(kept.map((each) => each.at(-1))).toEqual(['a', 'c', 'd', 'e']);
});
