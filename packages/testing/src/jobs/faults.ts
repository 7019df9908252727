import { expect } from 'vitest';
import type { JobsCase } from './case.ts';
import { createGate, isOf, operationOf } from './stage.ts';

export const faultCases: readonly JobsCase[] = [
  {
    title: 'the job of a worker that was killed is delivered to another one',
    needs: 'worker',
    async run({ job, send, consume, worker, jobs }) {
      if (worker === undefined) return;
      const sent = job();
      await send(sent);
      const stuck = await worker();
      expect(await stuck.delivering).toBe(sent.operationId);
      await stuck.kill();
      expect(await jobs.waiting([sent.operationId])).toEqual(new Set([sent.operationId]));
      const { until, delivered } = await consume();
      await until(isOf(sent));
      expect(delivered).toEqual([sent]);
    },
  },
  {
    title: 'nothing is lost, and nobody has to be started again, when connections break in the middle',
    needs: 'cutConnections',
    async run({ job, send, consume, cutConnections }) {
      if (cutConnections === undefined) return;
      const sent = Array.from({ length: 60 }, job);
      for (const each of sent.slice(0, 30)) await send(each);
      const gate = createGate();
      const { until } = await consume({ concurrency: 5, handle: () => gate.opened });
      await until(() => true);
      await cutConnections();
      gate.open();
      for (const each of sent.slice(30)) await untilSent(() => send(each));
      const seen = new Set<unknown>();
      await until((each) => seen.add(operationOf(each)).size === 60);
    },
  },
];

/** A sender of the engine gives up, and healing sends again; here the case is the healer. */
async function untilSent(send: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await send();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
