import { expect, test } from 'vitest';
import { createSemel } from '../semel.ts';
import type { Layer } from './layer.ts';
import { createProcessLayer } from './layer-process.ts';
import { createMemoryStore } from './memory.ts';

const by = { actor: 'operator:alice', reason: 'ticket 4711' };

test('a purge that is asked for again tells the layers what the first, which died, could not tell', async () => {
  const memory = createMemoryStore();
  let dies = true;
  const store: typeof memory = {
    ...memory,
    async purge(request) {
      const report = await memory.purge(request);
      if (dies) throw new Error('the process died after the commit');
      return report;
    },
  };
  const forgotten: string[] = [];
  const near = createProcessLayer();
  const layer: Layer = {
    ...near,
    forget(identity, ms) {
      forgotten.push(identity.key);
      return near.forget(identity, ms);
    },
  };
  const semel = createSemel({ store, layers: [layer], recovery: false });
  const charge = () =>
    semel.run({ scope: 'ann', name: 'charge', key: 'k', input: 1, mode: 'atomic' }, () => 'card 4242');
  await charge();
  expect(await charge()).toMatchObject({ kind: 'completed', value: 'card 4242', replayed: true });

  await expect(semel.purge({ principal: 'ann', ...by })).rejects.toThrow('the process died');
  // As it stands then: the record is purged, and its copy is served.
  expect(await charge()).toMatchObject({ kind: 'completed', value: 'card 4242' });
  dies = false;
  expect(await semel.purge({ principal: 'ann', ...by })).toMatchObject({ purged: 0, unsettled: 0 });
  expect(forgotten).toEqual(['k']);
  expect(await charge()).toMatchObject({ kind: 'refused', problem: { code: 'outcome_gone' } });
  await semel.close();
});
