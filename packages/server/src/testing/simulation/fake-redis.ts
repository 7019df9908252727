import { type Holder, type Layer, type LayerAnswer, NOTHING_KNOWN } from '../../store/layer.ts';
import type { OperationIdentity } from '../../store/port.ts';
import type { Send } from './link.ts';
import type { Owner, World } from './world.ts';

interface Place {
  readonly text: string | undefined;
  readonly holder: string | undefined;
  readonly until: number;
}

/** A shared cache and lock that nobody may trust: it forgets, goes back to an old state, mixes up its entries. */
export interface FakeRedis {
  layerOf(owner: Owner): Layer;
  flush(): void;
  /** An old snapshot comes back. */
  restore(): void;
}

export function createFakeRedis(world: World, send: Send): FakeRedis {
  let places = new Map<string, Place>();
  let snapshot = new Map<string, Place>();
  const lies = world.random.chance(0.3);
  const nameOf = ({ scope, procedure, key }: OperationIdentity): string => `${scope}/${procedure}/${key}`;
  const at = (name: string): Place | undefined => {
    const found = places.get(name);
    return found !== undefined && found.until > world.now() ? found : undefined;
  };
  const put = (name: string, place: Place): void => void places.set(name, place);

  return {
    flush() {
      snapshot = new Map(places);
      places = new Map();
    },
    restore() {
      [places, snapshot] = [new Map(snapshot), places];
    },
    layerOf(owner) {
      const ask = <T>(what: string, act: () => T): Promise<T> =>
        send(owner, {
          what: `redis ${what}`,
          reentrant: true,
          unanswered: () => new Error('redis did not answer'),
          act: async () => act(),
        });
      const tell = (what: string, act: () => void): Promise<void> => ask(what, act).catch(() => undefined);
      return {
        name: 'redis',
        ask(identity, { owner: asker }: Holder, holdMs) {
          const name = nameOf(identity);
          const look = (): LayerAnswer => {
            // Whatever it has, whosever it is, however old.
            const lie = lies && world.random.chance(0.15);
            const found = lie ? world.random.pick([...places.values(), ...snapshot.values()]) : at(name);
            if (found?.text !== undefined) return { kind: 'entry', text: found.text };
            if (found !== undefined && found.holder !== asker) return { kind: 'held' };
            put(name, { text: undefined, holder: asker, until: world.now() + holdMs });
            return { kind: 'none', held: true };
          };
          return ask('ask', look).catch(() => NOTHING_KNOWN);
        },
        keep: (identity, text, ms) =>
          tell('keep', () => put(nameOf(identity), { text, holder: undefined, until: world.now() + ms })),
        forget: (identity) => tell('forget', () => void places.delete(nameOf(identity))),
        renew: (identity, holder, holdMs) =>
          tell('renew', () => {
            const found = at(nameOf(identity));
            if (found?.holder === holder.owner)
              put(nameOf(identity), { ...found, until: world.now() + holdMs });
          }),
        release: (identity, holder) =>
          tell('release', () => {
            if (at(nameOf(identity))?.holder === holder.owner) places.delete(nameOf(identity));
          }),
        changed: (_, ms) => new Promise((resolve) => void world.after(Math.min(ms, 40), owner, resolve)),
      };
    },
  };
}
