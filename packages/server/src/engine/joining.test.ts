import { describe, expect, test } from 'vitest';
import { createSemel } from '../semel.ts';
import { createMemoryStore } from '../store/memory.ts';

/** A settled operation, and a store whose next look-up is held. */
async function settled(inFlight: 'conflict' | { waitMs: number }) {
  const memory = createMemoryStore();
  let held: Promise<void> | undefined;
  let looked = () => {};
  const store: typeof memory = {
    ...memory,
    async lookup(identity) {
      const wait = held;
      held = undefined;
      if (wait !== undefined) looked();
      await wait;
      return memory.lookup(identity);
    },
  };
  const semel = createSemel({ store, recovery: false });
  const ask = (input: number) =>
    semel.run({ scope: 'alice', name: 'pay', key: 'k', input, mode: 'leased', inFlight }, () => 'paid');
  await ask(1);
  /** A request that leads in this process and is still looking at the record. */
  const leading = async (input: number) => {
    let release = () => {};
    held = new Promise((resolve) => {
      release = resolve;
    });
    const reached = new Promise<void>((resolve) => {
      looked = resolve;
    });
    const answer = ask(input);
    await reached;
    return { answer, release };
  };
  return { ask, leading };
}

describe('while another request of the process only looks at the record', () => {
  test("the honest retry is replayed, though the other's input is refused", async () => {
    const { ask, leading } = await settled({ waitMs: 1000 });
    const wrong = await leading(2);
    expect(await ask(1)).toMatchObject({ kind: 'completed', value: 'paid', replayed: true });
    wrong.release();
    expect(await wrong.answer).toMatchObject({ kind: 'refused', problem: { code: 'key_reused' } });
  });

  test('a retry that must not wait is replayed', async () => {
    const { ask, leading } = await settled('conflict');
    const first = await leading(1);
    expect(await ask(1)).toMatchObject({ kind: 'completed', value: 'paid', replayed: true });
    first.release();
    expect(await first.answer).toMatchObject({ kind: 'completed', replayed: true });
  });
});

test('who joins gets an answer of its own: what is done to one on its way out is not in another', async () => {
  const semel = createSemel({ store: createMemoryStore(), recovery: false });
  const begun = Promise.withResolvers<void>();
  const going = Promise.withResolvers<void>();
  const pay = () =>
    semel.run({ scope: 'alice', name: 'pay', key: 'k', input: 1, mode: 'leased' }, async () => {
      begun.resolve();
      await going.promise;
      return { at: new Date(5), requests: [] as string[] };
    });
  const first = pay();
  await begun.promise;
  const others = [pay(), pay()];
  going.resolve();
  const answers = await Promise.all([first, ...others]);
  for (const [nth, answer] of answers.entries()) {
    if (answer.kind === 'completed') answer.value.requests.push(`request ${nth}`);
  }
  expect(answers).toEqual(
    [0, 1, 2].map((nth) => ({
      kind: 'completed',
      value: { at: new Date(5), requests: [`request ${nth}`] },
      replayed: nth > 0,
      operationId: expect.any(String),
    })),
  );
});
