import { setTimeout as sleep } from 'node:timers/promises';
import type { Layer } from '@semel/server';
import { Unable } from '../command.ts';
import { redisLayer } from '../connect/packages.ts';
import type { Settings } from '../connect/settings.ts';

export interface Forgetful {
  readonly layers: readonly Layer[];
  /** Whether everything that was to be forgotten is. */
  isSure(): boolean;
  close(): Promise<void>;
}

/** Layers that can say whether they work, as `createRedisLayer`'s do. */
type MaybeReady = Layer & { ready?(): Promise<boolean> };

/** Nobody waits for a request here: a slow Redis has time. */
const TIMEOUT_MS = 2000;
const TRIES = 3;
/** A layer of the config file may still be connecting, with a server's short patience. */
const LOOKS = 10;

/**
 * The layers of a purge. A layer never says that it failed, since a server's requests go on without it; here somebody wants to
 * know, so it is asked after it was told. `undefined` where there is none.
 *
 * @throws Unable when Redis doesn't answer: nothing has been purged then
 */
export async function openForgetful(settings: Settings): Promise<Forgetful | undefined> {
  const { given, redis, redisPrefix } = settings;
  if (given.layers === undefined && redis === undefined) return undefined;
  let close = async (): Promise<void> => {};
  let layers: readonly MaybeReady[] = given.layers ?? [];
  if (given.layers === undefined && redis !== undefined) {
    const { createRedisLayer } = await redisLayer();
    const layer = createRedisLayer({ connection: redis, prefix: redisPrefix, timeoutMs: TIMEOUT_MS });
    layers = [layer];
    close = () => layer.close();
  }
  for (const layer of layers) {
    if (await works(layer, given.layers === undefined ? 1 : LOOKS)) continue;
    await close();
    throw new Unable(
      "Redis doesn't answer, and what is purged would live on in it for up to an hour. Nothing was purged. Try again when it is back; where it is gone for good, leave out --redis and REDIS_URL.",
    );
  }
  let isSure = true;
  return {
    layers: layers.map((layer) => forgetful(layer, () => (isSure = false))),
    isSure: () => isSure,
    close,
  };
}

async function works(layer: MaybeReady, looks: number): Promise<boolean> {
  for (let look = 1; ; look++) {
    if ((await layer.ready?.()) !== false) return true;
    if (look >= looks) return false;
    await sleep(200);
  }
}

/** Only what a purge needs of a layer: nobody holds, waits or fills here. */
function forgetful(layer: MaybeReady, failed: () => void): Layer {
  return {
    name: layer.name,
    ask: (...asked) => layer.ask(...asked),
    keep: () => {},
    async forget(identity, ms) {
      for (let tries = 1; tries <= TRIES; tries++) {
        await layer.forget(identity, ms);
        // An entry that is still there was not forgotten; no answer at all is seen by the probe.
        const found = await layer.ask(identity, { owner: 'semel-cli', attempt: 0 }, 1);
        if ((found.kind === 'none' || found.kind === 'held') && (await works(layer, 1))) return;
      }
      failed();
    },
  };
}
