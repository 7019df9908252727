// Runs in a page: how much longer a mutation takes whose key is written to IndexedDB before it is sent.
import { indexedDbJournal } from '@semel/client/indexeddb';
import { bare, keyed, type Way } from './ways.ts';

async function millisecondsOf(way: Way, mutations: number): Promise<number> {
  const began = performance.now();
  for (let i = 0; i < mutations; i++) await way();
  return (performance.now() - began) / mutations;
}

async function measure(rounds: number, mutations: number): Promise<Record<string, number[]>> {
  const ways: Record<string, Way> = {
    'tRPC alone': bare(),
    'Semel, memory': keyed(),
    'Semel, IndexedDB': keyed(indexedDbJournal()),
  };
  const found: Record<string, number[]> = {};
  for (let turn = 0; turn <= rounds; turn++)
    for (const [name, way] of Object.entries(ways)) {
      const ms = await millisecondsOf(way, mutations);
      // The first round opens the database and warms the code.
      if (turn > 0) found[name] = [...(found[name] ?? []), ms];
    }
  return found;
}

Object.assign(globalThis, { measure });
