import type { ContractCase } from '../case.ts';
import { assertDone, assertSame } from '../expect.ts';

const SOURCES = ['N1', 'S101', 'WIRE: Failure classes', 'ARCHITECTURE: invariant 5'];

export const hangUpCases: readonly ContractCase[] = [
  {
    id: 'N1',
    title: 'finishes what a client began that hung up, and gives its retry the answer',
    sources: SOURCES,
    needs: ['socket', 'slowHandler', 'replay'],
    async run(stage) {
      const payload = stage.payload({ delayMs: stage.slowMs });
      const key = stage.key();
      const { hangUp } = await stage.start(payload, { key });
      await stage.moment();
      await hangUp();
      await stage.moment(stage.slowMs * 1.5);
      const retry = await stage.sendFirmly(payload, { key });
      assertDone(retry, 'the retry');
      assertSame(retry, await stage.send(payload, { key }));
      await stage.assertEffects(payload, 1, [retry]);
    },
  },
  {
    id: 'N1-early',
    title: 'runs once for a client that hung up and comes back while its first request runs',
    sources: SOURCES,
    needs: ['socket', 'slowHandler', 'replay'],
    async run(stage) {
      const payload = stage.payload({ delayMs: stage.slowMs });
      const key = stage.key();
      const { hangUp } = await stage.start(payload, { key });
      await stage.moment();
      await hangUp();
      const answers = await Promise.all([
        stage.sendFirmly(payload, { key }),
        stage.sendFirmly(payload, { key }),
      ]);
      for (const answer of answers) assertDone(answer, 'the retry');
      await stage.moment(stage.slowMs);
      await stage.assertEffects(payload, 1, answers);
    },
  },
  {
    id: 'W8',
    title: 'runs nothing for a body that ends too early, and leaves the key free',
    sources: ['WIRE: Failure classes 0', 'N1'],
    needs: ['socket'],
    async run(stage) {
      const payload = stage.payload();
      const key = stage.key();
      const { hangUp } = await stage.start(payload, { key, headers: { 'content-length': '100000' } });
      await stage.moment();
      await hangUp();
      const first = await stage.send(payload, { key });
      assertDone(first, 'the whole request');
      await stage.assertEffects(payload, 1, [first]);
    },
  },
];
