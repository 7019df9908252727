// One variant as a process of its own: says where it listens, and does what the bench asks for.
import { VARIANTS } from '../variants.ts';
import type { Order, Report, ServerOptions } from './order.ts';
import { inputOf, keyOf } from './request.ts';
import { closedLoop, ownCpuUs } from './round.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as ServerOptions;
const say = (report: Report): void => {
  process.send?.(report);
};
const variant = VARIANTS.find(({ name }) => name === options.variant);
if (variant === undefined) throw new Error(`There is no variant ${options.variant}`);
const peer = await variant.load();
const { armed, ...services } = options.services;
const running = await peer.listen({
  ...services,
  // The effect has happened (or is in its transaction); the answer has not left, and won't: this process gets killed.
  ...(armed && {
    armed: ({ reference }) => {
      say({ reached: reference });
      return new Promise<never>(() => {});
    },
  }),
});

process.on('disconnect', () => process.exit()); // nobody is left to serve
process.on('message', (order: Order) => {
  perform(order).then(
    (result) => say({ done: order.id, result }),
    (error: unknown) => say({ done: order.id, error: String(error) }),
  );
});
say({ url: running.url, canCall: running.call !== undefined });

async function perform(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'cpu':
      return ownCpuUs();
    case 'drive': {
      const { call } = running;
      if (call === undefined) throw new Error(`${options.variant} can't be called in process`);
      let next = order.from;
      const round = await closedLoop({
        callers: order.callers,
        ms: order.ms,
        cpu: ownCpuUs,
        call: async () => {
          const n = next++;
          const key = keyOf(order.prefix, order.among === undefined ? n : n % order.among);
          return (await call(key, inputOf(key))).status < 300;
        },
      });
      return { round, next };
    }
    case 'close':
      await running.close();
      return undefined;
  }
}
