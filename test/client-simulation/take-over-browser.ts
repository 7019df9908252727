import type { Owner, World } from './engine.ts';

interface Listener {
  onmessage: ((event: { data: unknown }) => void) | null;
}

/** Keys, tab ids and channels come from globals. Inside a run they belong to the run. @returns what gives the real ones back */
export function takeOverBrowser(world: World): () => void {
  const open = new Map<Listener, { name: string; owner: Owner | undefined }>();
  class Channel implements Listener {
    onmessage: Listener['onmessage'] = null;
    constructor(name: string) {
      open.set(this, { name, owner: world.current });
    }
    postMessage(data: unknown): void {
      const from = open.get(this);
      for (const [to, { name, owner }] of open) {
        if (to === this || name !== from?.name) continue;
        world.after(world.random.between(0, 4), owner, () => to.onmessage?.({ data }));
      }
    }
    close(): void {
      open.delete(this);
    }
  }
  const RealChannel = globalThis.BroadcastChannel;
  globalThis.BroadcastChannel = Channel as never;
  const getRandomValues = (values: Uint8Array | Uint32Array) => {
    for (let i = 0; i < values.length; i++)
      values[i] = world.random.below(values instanceof Uint8Array ? 256 : 2 ** 32);
    return values;
  };
  Object.defineProperty(crypto, 'getRandomValues', { value: getRandomValues, configurable: true });
  return () => {
    globalThis.BroadcastChannel = RealChannel;
    // The instance's own property hides the prototype's.
    delete (crypto as { getRandomValues?: unknown }).getRandomValues;
  };
}
