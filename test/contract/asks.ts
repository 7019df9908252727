import { type Capabilities, type ContractTarget, describeIdempotency } from '@semel/testing';
import { inject } from 'vitest';
import type { Mode } from './things.ts';
import { createMemoryWorld, createPostgresWorld, type World } from './world.ts';

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
  }
}

export interface Started {
  readonly target: ContractTarget;
  close(): Promise<void>;
}

/** What a carrier makes of a world. */
export type Start = <Tx>(
  world: World<Tx>,
  mode: Mode,
  policy: { readonly inFlight: 'conflict' | { readonly waitMs: number } },
) => Promise<Started>;

/** Everything that can be asked of a plain route. */
export const HTTP: Capabilities = {
  slowHandler: true,
  memo: true,
  rawBodies: true,
  cors: true,
  answers: [
    'created',
    'empty',
    'no-content',
    'null',
    'zero',
    'false',
    'empty-string',
    'text',
    'binary',
    'cookie',
    'redirect',
    'large',
  ],
  failures: ['invalid', 'refused', 'once', 'after-effect'],
};

/** Of a procedure: one status and one content type. */
export const TRPC: Capabilities = {
  slowHandler: true,
  memo: true,
  batch: true,
  cors: true,
  answers: ['null', 'zero', 'false', 'empty-string', 'large'],
  failures: ['invalid', 'refused', 'once', 'after-effect'],
};

const WORLDS = {
  'in memory': createMemoryWorld,
  'on Postgres': () => createPostgresWorld(inject('databaseUrl')),
} as const;

/** The whole suite against our server, in one mode, on one store, by one carrier. */
export function asks(
  carrier: { readonly name: string; readonly capabilities: Capabilities; readonly start: Start },
  where: keyof typeof WORLDS,
  mode: Mode,
  inFlight: 'conflict' | 'wait',
): void {
  const policy = { inFlight: inFlight === 'conflict' ? inFlight : { waitMs: 5000 } } as const;
  let close: (() => Promise<void>) | undefined;
  const open = async <Tx>(world: World<Tx>): Promise<ContractTarget> => {
    const started = await carrier.start(world, mode, policy);
    close = started.close;
    return started.target;
  };
  describeIdempotency({
    name: `${carrier.name}, ${mode}, ${where}`,
    target: async () =>
      where === 'in memory' ? open(await WORLDS['in memory']()) : open(await WORLDS['on Postgres']()),
    capabilities: { ...carrier.capabilities, inFlight },
    close: () => close?.(),
  });
}
