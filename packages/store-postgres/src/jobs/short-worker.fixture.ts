// Sends a job, deals with it, closes and has nothing left to do. Run as a child: it must end by itself.
import { randomUUID } from 'node:crypto';
import { createPgBossJobs } from './pg-boss-jobs.ts';

const [connection = '', schema = ''] = process.argv.slice(2);
const jobs = createPgBossJobs({ connection, schema });
const { promise: delivered, resolve } = Promise.withResolvers<void>();
const consumer = await jobs.consume(async () => resolve(), { concurrency: 2 });
const job = { v: 1, operationId: 'op_1', scope: 's', procedure: 'p' } as const;
await jobs.send(undefined, job, { id: randomUUID(), delayMs: 0 });
await delivered;
await consumer.stop(5_000);
await jobs.close();
console.log(JSON.stringify({ ready: true }));
