import { type Clock, createSemelClient, type Journal, memoryJournal, outcomeOf } from '@semel/client';
import { createTRPCClient, type TRPCLink } from '@trpc/client';
import { expect, test } from 'vitest';
import type { JournalRecord } from '../../packages/client/src/journal/journal.ts';
import { type Storing, sturdy } from '../../packages/client/src/journal/sturdy.ts';

// What seeds have found in the client, each as small as it gets: a seed means another run once the simulation changes.

interface Pay {
  readonly pay: { mutate(input: object, options: object): Promise<unknown> };
}
const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (timer) => clearTimeout(timer as number),
};
const record = (key: string): JournalRecord => ({
  path: 'pay',
  key,
  intent: 'cart-7',
  createdAt: 1,
  attempts: 0,
  state: 'sending',
});
const broken = (): never => {
  throw new Error('the disk is gone');
};
const storage = (change: Partial<Storing>): Storing => ({
  claim: (group) => group,
  update: () => undefined,
  settle: () => undefined,
  list: () => [],
  ...change,
});

test('an action that was just listed keeps its key when its claim fails, and no second key is made for it', async () => {
  const journal = sturdy(storage({ list: () => [record('first')], claim: broken }));
  await journal.list();
  expect(await journal.claim(record('second'))).toMatchObject({ key: 'first' });
  expect(await journal.claim(record('third'))).toMatchObject({ key: 'first' });
});

test('a storage that never answers holds nothing up', async () => {
  const never = () => new Promise<never>(() => undefined);
  const journal = sturdy(storage({ list: never, update: never, settle: never }));
  const reports: unknown[] = [];
  journal.attach?.({ required: false, report: (error) => void reports.push(String(error)) });
  await Promise.all([journal.list(), journal.update(record('k')), journal.settle(record('k'))]);
  expect(reports).toEqual(Array(3).fill('Error: the journal takes too long'));
});

test('what its user gave up before it was sent is not kept with its input, so that no page sends it later', async () => {
  const memory = memoryJournal();
  const gate = Promise.withResolvers<void>();
  const journal: Journal = {
    ...memory,
    async claim(wanted) {
      await gate.promise;
      return memory.claim(wanted);
    },
  };
  const semel = createSemelClient({ journal, scope: 'alice', persistInput: () => true });
  const sent: unknown[] = [];
  const last: TRPCLink<never> =
    () =>
    ({ op }) => {
      sent.push(op.input);
      throw new Error('nothing may be sent');
    };
  const client = createTRPCClient<never>({ links: [semel.link(), last] }) as unknown as Pay;
  const user = new AbortController();
  const outcome = outcomeOf(() =>
    client.pay.mutate({ amount: 10 }, { context: { intent: 'cart-7' }, signal: user.signal }),
  );
  user.abort();
  gate.resolve();
  expect(await outcome).toMatchObject({ status: 'rejected' });
  await expect.poll(() => memory.list()).toMatchObject([{ state: 'unknown', intent: 'cart-7' }]);
  expect(memory.list()[0]?.input).toBeUndefined();
  expect(sent).toEqual([]);
});

test('how old a key is, is asked when it leaves: a page that was frozen between a retry and its batch says so', async () => {
  let frozenMs = 0;
  const clock = { ...systemClock, now: () => Date.now() + frozenMs };
  const semel = createSemelClient({ clock, retry: { baseMs: 1, maxAttempts: 2 } });
  const headers = semel.headers();
  const ages: unknown[] = [];
  const last: TRPCLink<never> =
    () =>
    ({ op }) =>
      ({
        subscribe({ error }: { error(cause: Error): void }) {
          // What a batching link does, a timer later.
          setTimeout(() => {
            if (ages.length > 0) frozenMs = 30 * 3_600_000;
            void headers({ op }).then((sent) => {
              ages.push(/age=(\d+)/.exec(String(sent['Idempotency-Key']))?.[1]);
              error(new Error('lost'));
            });
          });
          return { unsubscribe() {} };
        },
      }) as never;
  const client = createTRPCClient<never>({ links: [semel.link(), last] }) as unknown as Pay;
  await outcomeOf(() => client.pay.mutate({ amount: 10 }, {}));
  expect(ages).toEqual([undefined, '108001']);
});
