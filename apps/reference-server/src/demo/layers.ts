import { type Act, compare, type Result, type Tally } from './act.ts';
import { createShopper, distinctIds, newTally, unexpected } from './shopper.ts';
import type { Stage } from './stage.ts';
import { progress } from './terminal.ts';

const KEYS = 20;
const ROUNDS = 6;

/**
 * Orders, and then the same again, first to the server that did it and then to the other one: an answer that is in a server's
 * memory is given from there, one that another server has given comes from Redis, the rest from Postgres.
 */
export const layerByLayer: Act = {
  title: `${KEYS} orders, each asked ${ROUNDS} times more, of both servers`,
  run(stage) {
    return askAgain(stage, 'layers', this.title, ['process', ...(stage.redis ? ['redis'] : [])]);
  },
};

/** The same with no Redis: the numbers move, and nothing else does. */
export const withoutRedis: Act = {
  title: `the same with ${KEYS} new orders and no Redis: if there is one, it is stopped in the middle`,
  async run(stage) {
    const { redis } = stage;
    if (redis === undefined || !redis.canStop) {
      progress(
        redis === undefined ? 'there is no Redis here to stop' : 'REDIS_URL is yours: it is left running',
      );
    }
    return askAgain(stage, 'no-redis', this.title, ['process', 'store'], async () => {
      if (redis?.canStop) await redis.stop();
    });
  },
};

async function askAgain(
  stage: Stage,
  kind: string,
  title: string,
  wantedLayers: readonly string[],
  inTheMiddle: () => Promise<void> = async () => {},
): Promise<Result> {
  const tally: Tally = newTally();
  const names = Array.from({ length: KEYS }, (_, i) => `${stage.run}-${kind}-${i + 1}`);
  const shoppers = stage.servers.map(({ url }) => createShopper(url, tally));
  const before = await stage.answeredBy();
  const outcomes = new Map<string, Awaited<ReturnType<typeof order>>[]>(names.map((name) => [name, []]));
  for (let round = 0; round <= ROUNDS; round++) {
    const moved = round >= ROUNDS / 2;
    if (round === ROUNDS / 2) await inTheMiddle();
    await Promise.all(
      names.map(async (name, i) => {
        const shopper = shoppers[(i + (moved ? 1 : 0)) % 2];
        if (shopper !== undefined) outcomes.get(name)?.push(await order(shopper, name));
      }),
    );
  }
  const after = await stage.answeredBy();
  const layers = Object.keys(after).map(
    (layer) => [layer, (after[layer] ?? 0) - (before[layer] ?? 0)] as const,
  );
  const shown = layers.filter(([, n]) => n > 0).map(([layer, n]) => `${NAMES[layer] ?? layer} ${n}`);
  progress(`duplicates stopped by: ${shown.join(', ')}`);
  const rows = await stage.orders(`${stage.run}-${kind}-`);
  const all = [...outcomes.values()];
  return {
    title,
    tally,
    effects: rows.length,
    charges: undefined,
    problems: [
      ...all.flatMap((of) => unexpected(of, 'completed')),
      ...all.flatMap((of) => (distinctIds(of) === 1 ? [] : ['one key got different answers'])),
      ...compare('order', names, rows),
      ...wantedLayers.flatMap((layer) =>
        layers.some(([name, n]) => name === layer && n > 0) ? [] : [`nothing was answered by ${layer}`],
      ),
      ...(tally.replayed === KEYS * ROUNDS ? [] : [`${tally.replayed} replays, wanted ${KEYS * ROUNDS}`]),
    ],
  };
}

const NAMES: Readonly<Record<string, string>> = {
  process: "the server's own memory",
  redis: 'Redis',
  store: 'Postgres',
};

const order = (shopper: ReturnType<typeof createShopper>, name: string) =>
  shopper.act(name, (client, options) => client.orders.create.mutate({ sku: name, quantity: 1 }, options));
