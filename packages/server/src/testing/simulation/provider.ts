import type { Send } from './link.ts';
import type { Owner, World } from './world.ts';

export interface Charge {
  readonly identity: string;
  readonly operationId: string;
  readonly step: string;
  readonly at: number;
}

export interface Asked {
  readonly identity: string;
  readonly operationId: string;
  readonly step: string;
  /** `undefined`: a provider that knows no keys. */
  readonly key: string | undefined;
  readonly declines: boolean;
}

export type ProviderAnswer = { readonly charged: number } | { readonly declined: true };

/** A stand-in for the payment provider: it remembers keys for its retention, says no, and its answers get lost. */
export interface Provider {
  charge(sender: Owner, asked: Asked): Promise<ProviderAnswer>;
  readonly charges: readonly Charge[];
}

export class ProviderSilent extends Error {
  override readonly name = 'ProviderSilent';
}

export function createProvider(world: World, send: Send, retentionMs: number): Provider {
  const charges: Charge[] = [];
  const remembered = new Map<string, { readonly answer: ProviderAnswer; readonly at: number }>();

  function carryOut({ key, declines, ...asked }: Asked): ProviderAnswer {
    const known = key === undefined ? undefined : remembered.get(key);
    if (known !== undefined && world.now() < known.at + retentionMs) return known.answer;
    if (!declines) charges.push({ ...asked, at: world.now() });
    const answer = declines ? { declined: true as const } : { charged: charges.length };
    if (key !== undefined) remembered.set(key, { answer, at: world.now() });
    world.log(() => `provider: ${JSON.stringify(answer)} for ${asked.identity} ${asked.step}`);
    return answer;
  }

  return {
    charges,
    charge(sender, asked) {
      const { leaps } = world;
      return send(sender, {
        what: `charge ${asked.step}`,
        unanswered: () => new ProviderSilent('the provider did not answer'),
        async act() {
          // A connection doesn't outlive a leap: that is what keeps a late message within the retention's margin.
          if (world.leaps !== leaps) throw new ProviderSilent('the connection is gone');
          return carryOut(asked);
        },
      });
    },
  };
}
