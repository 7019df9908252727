import { outcomeOf } from '@semel/client';
import { expect, inject, test } from 'vitest';
import { connect } from './client.ts';
import { setStage } from './stage.ts';

const order = { amount: 7n, due: new Date(0) };

test('a worker that is killed after the effect is followed by another, under the same child key', async () => {
  const stage = await setStage(inject('databaseUrl'));
  const server = await stage.server({ work: false });
  const { api } = connect('httpLink', server);
  const doomed = await stage.childWorker();
  const outcome = outcomeOf(() => api.pay.mutate(order, { context: { idempotencyKey: 'k' } }));
  const { id } = await doomed.message(({ at }: { at?: string }) => at === 'sent');
  await doomed.kill();
  server.startWorker();
  expect(await outcome).toMatchObject({ status: 'completed', data: order });
  expect(await stage.effects()).toStrictEqual({ sent: 1, payouts: 1 });
  const history = await server.store.history(id);
  expect(history.map(({ from, to, cause, attempt }) => [from, to, cause, attempt])).toStrictEqual([
    [null, 'accepted', 'enqueued', 0],
    ['accepted', 'processing', 'started', 1],
    ['processing', 'processing', 'overtaken', 2],
    ['processing', 'completed', 'succeeded', 2],
  ]);
}, 120_000);
