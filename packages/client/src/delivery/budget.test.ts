import { expect, it } from 'vitest';
import { testClock } from '../test-rig/clock.ts';
import { createBudget } from './budget.ts';

const fail = () => {
  throw new Error('not this one');
};
const take = (budget: ReturnType<typeof createBudget>) => budget.share(undefined).take();

it('gives as many retries as it holds, and a part of one back for each success', () => {
  const budget = createBudget({ max: 2, refillPerSuccess: 0.5 }, () => 0, testClock());
  expect([take(budget), take(budget), take(budget)]).toEqual([true, true, false]);
  budget.refill();
  expect(take(budget)).toBe(false);
  budget.refill();
  expect(take(budget)).toBe(true);
  expect(take(budget)).toBe(false);
});

it('never holds more than its maximum', () => {
  const budget = createBudget({ max: 1, refillPerSuccess: 1 }, () => 0, testClock());
  budget.refill();
  budget.refill();
  expect([take(budget), take(budget)]).toEqual([true, false]);
});

it('charges one failure once, however many calls it hit, and draws one jitter for them', async () => {
  const clock = testClock();
  const draws = [0.1, 0.2, 0.3, 0.4];
  const budget = createBudget({ max: 2, refillPerSuccess: 0 }, () => draws.shift() as number, clock);
  const failure = new Error('the batch is lost');
  const [one, two] = [budget.share(failure), budget.share(failure)];
  expect([one.drawn, two.drawn]).toEqual([0.1, 0.1]);
  expect([one.take(), two.take()]).toEqual([true, true]);
  await clock.advance(100);
  const other = budget.share(failure);
  expect(other.drawn).toBe(0.2);
  expect(other.take()).toBe(true);
  expect(take(budget)).toBe(false);
});

it('wakes all that one failure has hit in one tick, when the first of them has slept enough', async () => {
  const clock = testClock();
  const share = createBudget({ max: 2, refillPerSuccess: 0 }, () => 0, clock).share(new Error('lost'));
  const woken: string[] = [];
  share.sleep(50)(() => woken.push('a'), fail);
  await clock.advance(30);
  share.sleep(60)(() => woken.push('b'), fail);
  const stop = share.sleep(70)(() => woken.push('c'), fail);
  stop();
  await clock.advance(19);
  expect(woken).toEqual([]);
  await clock.advance(1);
  expect(woken).toEqual(['a', 'b']);
});

it('leaves no timer behind when nobody sleeps any more, and sets another for who comes then', async () => {
  const clock = testClock();
  const share = createBudget({ max: 2, refillPerSuccess: 0 }, () => 0, clock).share(new Error('lost'));
  share.sleep(50)(fail, fail)();
  expect(clock.timers).toBe(0);
  let woken = false;
  share.sleep(20)(() => {
    woken = true;
  }, fail);
  await clock.advance(20);
  expect(woken).toBe(true);
});
