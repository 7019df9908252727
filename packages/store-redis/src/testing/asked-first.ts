import assert from 'node:assert/strict';
import type { Layers, OperationIdentity, Sighting, Store } from '@semel/server/store';
import { layeredStore } from '@semel/server/store';

/**
 * A store in front of which layers are asked, as the engine asks them; and each "settled" that they say is held against
 * the authority. So every case of the suite also checks that no layer ever says what isn't so.
 *
 * @returns the store, and how often a layer knew
 */
export function askedFirst<Tx>(authority: Store<Tx>, layers: Layers): { store: Store<Tx>; hits(): number } {
  const layered = layeredStore(authority, layers);
  let hits = 0;

  async function ask(identity: OperationIdentity, owner: string) {
    const asked = await layers.ask(identity, owner, 1000);
    if (asked.kind !== 'settled') return undefined;
    hits += 1;
    return asked.entry;
  }
  function agrees(entry: Awaited<ReturnType<typeof ask>>, found: Sighting | undefined): void {
    if (entry === undefined) return;
    assert.ok(found, 'what a layer says is settled is recorded');
    const { operationId, state, attempt, fingerprint, outcome } = found.record;
    const { operationId: id, state: to, attempt: number, fingerprint: print, outcome: text } = entry;
    assert.deepEqual(
      { operationId, state, attempt, fingerprint, outcome },
      { operationId: id, state: to, attempt: number, fingerprint: print, outcome: text },
    );
  }

  const store: Store<Tx> = {
    ...layered,
    async lookup(identity) {
      const entry = await ask(identity, 'looking');
      layers.done(identity, 'looking');
      const found = await layered.lookup(identity);
      agrees(entry, found);
      return found;
    },
    async claim(request) {
      const entry = await ask(request, request.owner);
      const result = await layered.claim(request);
      if (result.won) assert.equal(entry, undefined, 'a layer said settled, and the claim was won');
      else agrees(entry, result);
      return result;
    },
    async atomically(request, body) {
      const entry = await ask(request, request.owner);
      try {
        const result = await layered.atomically(request, body);
        if (result.kind === 'settled')
          assert.equal(entry, undefined, 'a layer said settled, and the body ran');
        if (result.kind === 'existing') agrees(entry, result);
        return result;
      } finally {
        layers.done(request, request.owner);
      }
    },
  };
  return { store, hits: () => hits };
}
