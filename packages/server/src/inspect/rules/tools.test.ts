import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { ATOMIC, findings, found, LEASED, procedure, QUEUED, t } from '../inspect.fixture.ts';

// Handlers are looked at and never run: what they name needn't exist.
// biome-ignore-start lint/suspicious/noExplicitAny: see above
declare const stripe: any, charge: any, rates: any, enroll: any;
type Any = any;
// biome-ignore-end lint/suspicious/noExplicitAny: see above

const missing = (title: string) => `missing_child_key: looks like ${title} calls out without its child key`;

test.each([
  [
    'no parameter',
    async ({ ctx }: Any) => ctx.operation.step('charge', () => stripe.charges.create({})),
    "step('charge')",
  ],
  [
    'a parameter that is not used',
    async ({ ctx }: Any) => ctx.operation.step('charge', (_key: string) => charge({ amount: 1 })),
    "step('charge')",
  ],
  [
    'a random key',
    async ({ ctx: { operation } }: Any) =>
      operation.step('pay', async () => {
        const { id } = await stripe.charges.create({}, { idempotencyKey: randomUUID() });
        return id;
      }),
    "step('pay')",
  ],
  [
    'a name that is made',
    async ({ ctx: { operation }, input }: Any) =>
      operation.step(`enroll-${input.id}`, { input }, async () => enroll(input)),
    'step(…)',
  ],
  [
    'a function of the handler',
    async ({ ctx: { operation } }: Any) => {
      const pay = async () => (await charge({ amount: 1 })).id;
      return operation.step('pay', pay);
    },
    "step('pay')",
  ],
])('a step without its child key is found: %s', async (_, handler, title) => {
  expect(await found(LEASED, handler)).toEqual([missing(title)]);
});

test.each([
  ['hands it over', async ({ ctx }: Any) => ctx.operation.step('charge', (key: string) => charge(key))],
  [
    'hands a function over that takes it',
    async ({ ctx }: Any) => ctx.operation.step('charge', stripe.charge),
  ],
  [
    'takes whatever it gets',
    async ({ ctx }: Any) => ctx.operation.step('charge', (...all: Any[]) => charge(...all)),
  ],
  [
    'uses it in a function inside',
    async ({ ctx }: Any) =>
      ctx.operation.step('charge', async (key: string) => {
        const send = () => charge({ key });
        return send();
      }),
  ],
  [
    'asks for it by name',
    async ({ ctx: { operation } }: Any) => {
      const key = operation.childKey('charge');
      return operation.step('charge', () => charge({ key }));
    },
  ],
  [
    'asks for it inside',
    async ({ ctx: { operation } }: Any) =>
      operation.step('charge', () => charge({ key: operation.childKey('charge') })),
  ],
  [
    'records a random id',
    async ({ ctx: { operation } }: Any) => operation.step('id', async () => randomUUID()),
  ],
  [
    'records a clock',
    async ({ ctx: { operation } }: Any) => operation.step('at', async () => new Date().toISOString()),
  ],
  [
    'only asks',
    async ({ ctx: { operation } }: Any) =>
      operation.step('rate', async () => {
        const response = await fetch('http://rates/EUR');
        return (await response.json()).rate;
      }),
  ],
  [
    'only asks somebody',
    async ({ ctx: { operation } }: Any) => operation.step('rate', async () => rates.getRate('EUR')),
  ],
])('a step is not reported that %s', async (_, handler) => {
  expect(await found(LEASED, handler)).toEqual([]);
});

test("a missing child key is a warning where steps are resumed, and advice where they aren't", async () => {
  const handler = async ({ ctx }: Any) => ctx.operation.step('charge', () => charge({}));
  const router = t.router({
    resumes: procedure(LEASED, handler),
    suspends: procedure({ ...LEASED, effects: 'unknown' }, handler),
  });
  expect((await findings(router)).map(({ procedure, severity }) => [procedure, severity])).toEqual([
    ['resumes', 'warning'],
    ['suspends', 'advice'],
  ]);
});

test.each([
  [
    'a clock',
    async ({ ctx: { operation } }: Any) =>
      operation.step(`charge-${Date.now()}`, (key: string) => charge(key)),
    'step has Date.now()',
  ],
  [
    'a random number',
    async ({ ctx: { operation } }: Any) =>
      operation
        .transaction(`t${Math.random()}`, async (tx: Any) => tx.set('a', 1))
        .then(() => operation.settle(async () => 1)),
    'transaction has Math.random()',
  ],
  [
    'a random id with a name',
    async ({ ctx: { operation } }: Any) => {
      const id = randomUUID();
      const name = `charge-${id}`;
      return operation.step(name, (key: string) => charge(key));
    },
    'step has randomUUID()',
  ],
  [
    'the attempt',
    async ({ ctx: { operation } }: Any) =>
      operation.step('charge-'.concat(operation.attempt), (key: string) => charge(key)),
    'step has operation.attempt',
  ],
  [
    'the attempt, taken out',
    async ({ ctx: { operation } }: Any) => {
      const { attempt } = operation;
      return operation.step(`charge-${attempt}`, (key: string) => charge(key));
    },
    'step has operation.attempt',
  ],
  [
    'in a child key',
    async ({ ctx: { operation } }: Any) =>
      operation.step('charge', () =>
        charge({ key: operation.childKey(`charge-${new Date().toISOString()}`) }),
      ),
    'childKey has Date()',
  ],
])('a step name that is another on every attempt is found: %s', async (_, handler, what) => {
  expect(await found(LEASED, handler)).toEqual([
    `volatile_step_name: looks like the name of a ${what} in it`,
  ]);
});

test.each([
  [
    'an index',
    async ({ ctx: { operation }, input }: Any) => {
      for (const [i, line] of input.lines.entries())
        await operation.step(`line-${i}`, (key: string) => charge(key, line));
      return operation.settle(async () => 1);
    },
  ],
  [
    'a counter that is called attempt',
    async ({ ctx: { operation } }: Any) => {
      for (let attempt = 0; attempt < 3; attempt++)
        await operation.step(`try-${attempt}`, (key: string) => charge(key));
      return operation.settle(async () => 1);
    },
  ],
  [
    'a recorded random id',
    async ({ ctx: { operation } }: Any) => {
      const id = await operation.step('id', async () => randomUUID());
      return operation.step(`charge-${id}`, (key: string) => charge(key));
    },
  ],
  [
    'a date of the input',
    async ({ ctx: { operation }, input }: Any) =>
      operation.step(`day-${new Date(input.at).toISOString()}`, (key: string) => charge(key)),
  ],
  [
    'its own id',
    async ({ ctx: { operation } }: Any) =>
      operation.step(`charge-${operation.id}`, (key: string) => charge(key)),
  ],
])('a step name is not reported that has %s', async (_, handler) => {
  expect(await found(LEASED, handler)).toEqual([]);
});

test('tools of the other mode are found, once each', async () => {
  const steps = async ({ ctx: { operation } }: Any) => {
    await operation.step('a', (key: string) => charge(key));
    await operation.step('b', (key: string) => charge(key));
  };
  expect(await found(ATOMIC, steps)).toEqual([
    "tool_of_other_mode: looks like it uses operation.step in mode 'atomic'",
  ]);
  const tx = async ({ ctx }: Any) => {
    const { tx } = ctx.operation;
    await tx.query('INSERT INTO x VALUES (1)');
    return ctx.operation.settle(async () => 1);
  };
  expect(await found(LEASED, tx)).toEqual([
    "tool_of_other_mode: looks like it uses operation.tx in mode 'leased'",
  ]);
});

const twice = 'settles_twice: looks like it calls operation.settle more than once on one way';
test.each([
  [
    'one after the other',
    async ({ ctx: { operation } }: Any) => {
      await operation.settle(async () => 1);
      return operation.settle(async () => 2);
    },
  ],
  [
    'again after one that failed',
    async ({ ctx: { operation } }: Any) => {
      try {
        return await operation.settle(async () => 1);
      } catch {
        return operation.settle(async () => 2);
      }
    },
  ],
  [
    'in a loop',
    async ({ ctx: { operation }, input }: Any) => {
      for (const line of input.lines) await operation.settle(async () => line);
    },
  ],
  [
    'in a branch and behind it',
    async ({ ctx: { operation }, input }: Any) => {
      if (input.dry) await operation.settle(async () => 1);
      return operation.settle(async () => 2);
    },
  ],
  [
    'in a function that is called twice',
    async ({ ctx: { operation } }: Any) => {
      const end = (value: number) => operation.settle(async () => value);
      await end(1);
      return end(2);
    },
  ],
])('a second settle on one way is found: %s', async (_, handler) => {
  expect(await found(LEASED, handler)).toEqual([twice]);
});

test.each([
  [
    'each branch',
    async ({ ctx: { operation }, input }: Any) => {
      if (input.dry) return operation.settle(async () => 1);
      return operation.settle(async () => 2);
    },
  ],
  [
    'either side of a choice',
    async ({ ctx: { operation }, input }: Any) =>
      input.dry ? operation.settle(async () => 1) : operation.settle(async () => 2),
  ],
  [
    'each case',
    async ({ ctx: { operation }, input }: Any) => {
      switch (input.kind) {
        case 'a':
          await operation.settle(async () => 1);
          break;
        default:
          await operation.settle(async () => 2);
      }
    },
  ],
  [
    'a loop that it leaves',
    async ({ ctx: { operation }, input }: Any) => {
      for (const line of input.lines) if (line.ready) return operation.settle(async () => line);
      return operation.settle(async () => 'none');
    },
  ],
  [
    'a try that only throws on',
    async ({ ctx: { operation } }: Any) => {
      try {
        return await operation.settle(async () => 1);
      } catch (error) {
        throw new Error('not settled', { cause: error });
      }
    },
  ],
])('one settle on each way is not reported: %s', async (_, handler) => {
  expect(await found(LEASED, handler)).toEqual([]);
});

const never = 'never_settles: looks like it never calls operation.settle';
test.each([
  [
    'a transaction at the end',
    async ({ ctx: { operation } }: Any) => operation.transaction('order', async (tx: Any) => tx.set('a', 1)),
    [never],
  ],
  ['nothing but awaiting', async ({ input }: Any) => void (await enroll(input)), [never]],
  [
    'steps alone',
    async ({ ctx: { operation } }: Any) => operation.step('charge', (key: string) => charge(key)),
    [],
  ],
  ['handing the operation on', async ({ ctx: { operation }, input }: Any) => enroll(operation, input), []],
  ['handing the context on', async ({ ctx, input }: Any) => enroll({ ctx, input }), []],
  ['settling', async ({ ctx: { operation } }: Any) => operation.settle(async () => 1), []],
])('a leased handler and settle: %s', async (_, handler, expected) => {
  expect(await found(LEASED, handler)).toEqual(expected);
});

test('a queued handler that settles twice, or never, is found as a leased one is', async () => {
  const twice = async ({ ctx }: Any) => {
    await ctx.operation.settle(async () => 1);
    return ctx.operation.settle(async () => 2);
  };
  expect(await found(QUEUED, twice)).toEqual([
    'settles_twice: looks like it calls operation.settle more than once on one way',
  ]);
  const never = async ({ ctx }: Any) => ctx.operation.transaction('note', async () => 1);
  expect(await found(QUEUED, never)).toEqual(['never_settles: looks like it never calls operation.settle']);
});
