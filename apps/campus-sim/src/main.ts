import { parseArgs } from 'node:util';
import { z } from 'zod';
import { createCampusService } from './campus-service.ts';

// node main.ts --service billing|roster. Prints one JSON line when it is ready: {"ready":true,"url":"http://127.0.0.1:4301"}.
const whole = (most: number) => z.coerce.number().int().min(0).max(most).optional();
const settings = z.object({
  '--service': z.enum(['billing', 'roster']),
  PORT: whole(65_535),
  HOST: z.string().optional(),
  DATA_FILE: z.string().min(1).optional(),
  CAPACITY: whole(100_000),
});

const { values } = parseArgs({ options: { service: { type: 'string' } } });
const parsed = settings.safeParse({ ...process.env, '--service': values.service });
if (!parsed.success) {
  console.error(`campus-sim: ${z.prettifyError(parsed.error)}`);
  process.exit(1);
}
const { PORT, HOST, DATA_FILE, CAPACITY } = parsed.data;

const service = await createCampusService(parsed.data['--service'], {
  port: PORT,
  host: HOST,
  dataFile: DATA_FILE,
  capacity: CAPACITY,
}).catch((error: Error) => {
  console.error(`campus-sim: ${error.message}`); // a port that is taken, a file that can't be written
  process.exit(1);
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  // Explicit: an IPC channel would keep the process alive.
  process.once(signal, () => void service.close().then(() => process.exit(0)));
}
// Started with an IPC channel, it does not outlive the process that started it.
if (process.channel) process.once('disconnect', () => process.exit());
console.log(JSON.stringify({ ready: true, url: service.url }));
