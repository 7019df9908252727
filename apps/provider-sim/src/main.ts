import { z } from 'zod';
import { loseHow } from './faults.ts';
import { createProviderSim } from './provider-sim.ts';

// Prints one JSON line when it is ready: {"ready":true,"url":"http://127.0.0.1:4242"}.
const whole = (most: number) => z.coerce.number().int().min(0).max(most).optional();
const environment = z.object({
  PORT: whole(65_535),
  HOST: z.string().optional(),
  DATA_FILE: z.string().min(1).optional(),
  SEED: z.string().optional(),
  SLOW_MS: whole(600_000),
  LOSE_TIMES: whole(1000),
  LOSE_HOW: loseHow.optional(),
});

const parsed = environment.safeParse(process.env);
if (!parsed.success) {
  console.error(`provider-sim: ${z.prettifyError(parsed.error)}`);
  process.exit(1);
}
const { PORT, HOST, DATA_FILE, SEED, SLOW_MS, LOSE_TIMES, LOSE_HOW } = parsed.data;

const sim = await createProviderSim({
  port: PORT,
  host: HOST,
  dataFile: DATA_FILE,
  seed: SEED,
  slowMs: SLOW_MS,
  loseTimes: LOSE_TIMES,
  loseHow: LOSE_HOW,
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  // Explicit: an IPC channel would keep the process alive.
  process.once(signal, () => void sim.close().then(() => process.exit(0)));
}
// Started with an IPC channel, it does not outlive the process that started it.
if (process.channel) process.once('disconnect', () => process.exit());
console.log(JSON.stringify({ ready: true, url: sim.url }));
