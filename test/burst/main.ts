// `npm run campaign:burst [-- --operations 10000 --callers 16]`: a burst of queued work with the server and a worker killed in
// the middle. Prints rates and the queue's age; ends with 1 if anything was done twice, lost or left.
import { parseArgs } from 'node:util';
import { ensurePostgres } from '@semel/dev-services';
import { bundleChild } from '../fixtures/bundle-child.ts';
import { runBurst } from './burst.ts';

const { values } = parseArgs({
  options: {
    operations: { type: 'string', default: '10000' },
    callers: { type: 'string', default: '16' },
  },
});
const operations = Number(values.operations);

// What was started ends with this process, and that has to end the ordinary way.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const [postgres, bundle] = await Promise.all([ensurePostgres(), bundleChild()]);
const startedAt = performance.now();
try {
  const result = await runBurst({
    databaseUrl: postgres.url,
    file: bundle.file,
    operations,
    callers: Number(values.callers),
    tell: (line) =>
      process.stderr.write(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${line}\n`),
  });
  const { accepted, acceptMs, drainMs, oldestMs, deepest, overtaken, effects, distinct, states, jobsLeft } =
    result;
  console.log(
    `accepted ${accepted} in ${(acceptMs / 1000).toFixed(1)} s: ${perSecond(accepted, acceptMs)}/s`,
  );
  console.log(
    `drained after ${(drainMs / 1000).toFixed(1)} s: ${perSecond(accepted, drainMs)}/s from the first request on`,
  );
  console.log(`deepest ${deepest}, oldest due for ${(oldestMs / 1000).toFixed(1)} s`);
  console.log(`killed: ${result.killed.join('; ')}; attempts taken over: ${overtaken}`);
  console.log(
    `effects ${effects}, of ${distinct} operations; states ${JSON.stringify(states)}; jobs left ${jobsLeft}`,
  );
  const isWell =
    effects === operations && distinct === operations && states.completed === operations && jobsLeft === 0;
  console.log(isWell ? 'each was done exactly once' : 'NOT exactly once');
  process.exitCode = isWell ? 0 : 1;
} finally {
  bundle.remove();
  await postgres.stop();
}

function perSecond(count: number, ms: number): string {
  return (count / (ms / 1000)).toFixed(0);
}
