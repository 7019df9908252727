import type { Layer, LayerAnswer, OperationIdentity } from '@semel/server/store';

export type Lie = 'truth' | 'drops' | 'repeats' | 'delays' | 'mixes up' | 'garbles' | 'holds' | 'throws';
export const LIES: readonly Lie[] = [
  'truth',
  'drops',
  'repeats',
  'delays',
  'mixes up',
  'garbles',
  'holds',
  'throws',
];

export interface LyingLayer extends Layer {
  /** How often it did what. */
  readonly told: Readonly<Record<Lie, number>>;
}

/**
 * A layer that drops, repeats what it once knew, delays, gives other tenants' entries, garbles, says that somebody is at it
 * when nobody is, and throws: each as often as the truth, always in the same order.
 *
 * @param lies what it knows; for instance one lie and the truth
 */
export function createLyingLayer(lies: readonly Lie[] = LIES, seed = 1): LyingLayer {
  const entries = new Map<string, string[]>();
  const forgotten = new Set<string>();
  const told: Record<Lie, number> = Object.fromEntries(LIES.map((lie) => [lie, 0])) as Record<Lie, number>;
  let state = seed;
  const random = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
  const at = (identity: OperationIdentity): string[] => entries.get(placeOf(identity)) ?? [];
  const known = (text: string | undefined): LayerAnswer =>
    text === undefined ? { kind: 'none', held: true } : { kind: 'entry', text };

  return {
    name: 'lying',
    told,
    async ask(identity) {
      const lie = lies[random(lies.length)] ?? 'truth';
      told[lie] += 1;
      const texts = at(identity);
      switch (lie) {
        case 'truth':
          return known(texts.at(-1));
        case 'drops':
          return { kind: 'none', held: random(2) === 0 };
        case 'repeats':
          return known(texts[random(texts.length)]);
        case 'delays':
          await new Promise((resolve) => setTimeout(resolve, random(4)));
          return known(texts[0]);
        case 'mixes up':
          return known([...entries.values()][random(entries.size)]?.at(-1));
        case 'garbles':
          return known(texts.at(-1)?.replace(/\d/, (digit) => String((Number(digit) + 1) % 10)) ?? 'x\ny\nz');
        case 'holds':
          return { kind: 'held' };
        case 'throws':
          throw new Error('a layer that broke its promise');
      }
    },
    async keep(identity, text) {
      if (random(4) === 0) throw new Error('a layer that broke its promise');
      if (random(4) > 0 && !forgotten.has(placeOf(identity)))
        entries.set(placeOf(identity), [...at(identity), text]);
    },
    // Purges are the one thing that it is told and heeds: what it never forgets is replayed until it expires.
    forget(identity) {
      entries.delete(placeOf(identity));
      forgotten.add(placeOf(identity));
    },
    async release() {
      throw new Error('a layer that broke its promise');
    },
    changed: () => new Promise((resolve) => setTimeout(resolve, random(3))),
  };
}

const placeOf = ({ scope, procedure, key }: OperationIdentity): string =>
  JSON.stringify([scope, procedure, key]);
