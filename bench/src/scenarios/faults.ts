import { type Connection, openConnection, type Reply } from '../harness/connection.ts';
import { quantile } from '../harness/interleave.ts';
import { inputOf, requestText } from '../harness/request.ts';
import type { Entrant } from '../harness/stage.ts';
import type { Server } from '../harness/start-server.ts';
import { type Row, rounded, type Scenario, UNCOUNTED } from '../row.ts';
import type { ThingInput } from '../things.ts';
import { freshKeys } from './live.ts';

/** How long a lock or a lease is good for in these scenarios, where a variant has one that can be set. */
const LOCK_MS = 1000;
/** For a crash: longer than a restart takes, so that the first retry finds it. */
const CRASH_LOCK_MS = 3000;
/** The slowest takeover or recovery that is waited for. */
const PATIENCE_MS = CRASH_LOCK_MS + 5000;

export interface FaultsPlan {
  /** At the same time, and so no more than a handler pool has connections. */
  readonly keys: number;
  /** No further one is begun after this moment of `performance.now()`. */
  readonly until: number;
  readonly tell: (line: string) => void;
  readonly add: (rows: readonly Row[]) => void;
}

/** What locks and leases are for: the one who holds them dies, is slow, or stops. Each scenario's row as soon as it is known. */
export async function faults(entrant: Entrant, plan: FaultsPlan): Promise<void> {
  const servers: Server[] = [];
  const start = async (options: { lockMs: number; armed?: true }) => {
    const server = await entrant.start(options);
    servers.push(server);
    return server;
  };
  const restart = () => start({ lockMs: LOCK_MS });
  let done = 0;
  const report = (row: Row) => {
    done++;
    plan.add([row]);
  };
  const inTime = () => performance.now() < plan.until;
  try {
    const first = await start({ lockMs: CRASH_LOCK_MS, armed: true });
    const { row, next } = await crash(entrant, first, restart, plan);
    report(row);
    if (inTime()) report(await leaseExpiry(entrant, next, plan));
    if (inTime()) report(await paused(entrant, next, await restart(), plan));
    plan.tell(`faults: ${entrant.variant.name}, ${done} of 3`);
  } finally {
    for (const server of servers) server.kill('SIGKILL');
  }
}

/** kill -9 after the effect and before the answer; restart; retried until it succeeds. */
async function crash(
  entrant: Entrant,
  server: Server,
  restart: () => Promise<Server>,
  plan: FaultsPlan,
): Promise<{ row: Row; next: Server }> {
  const calls = await callsFor(entrant, server, plan.keys, { crash: true });
  const lost = calls.map((call) => call.send().catch(() => {})); // the connection breaks
  await Promise.all(calls.map(({ key }) => server.reached(key)));
  server.kill('SIGKILL');
  await Promise.all([server.exited, ...lost]);
  const next = await restart();
  const startedAt = performance.now();
  const retried = await Promise.all(
    calls.map(async (call) => {
      await call.reconnect(next);
      const replies = [await call.send()];
      while ((replies.at(-1)?.status ?? 0) >= 300 && performance.now() < startedAt + PATIENCE_MS) {
        await sleep(100);
        replies.push(await call.send());
      }
      return { statuses: [replies[0]?.status, replies.at(-1)?.status], ms: performance.now() - startedAt };
    }),
  );
  const answers = tally(
    retried.map(({ statuses: [at, last] }) => (at === last ? `${at}` : `${at} then ${last}`)),
  );
  const times = retried.map(({ ms }) => ms);
  return { row: await rowOf(entrant, 'crash', calls, answers, times), next };
}

/** The handler is slower than its lock is good for; a duplicate comes after that, and one more when all is over. */
async function leaseExpiry(entrant: Entrant, server: Server, plan: FaultsPlan): Promise<Row> {
  const calls = await callsFor(entrant, server, plan.keys, { delayMs: LOCK_MS * 2.5 });
  const slow = calls.map((call) => call.send());
  await sleep(LOCK_MS * 1.6);
  const late = await Promise.all(calls.map((call) => call.sendAgain(server)));
  const replies = [...(await Promise.all(slow)), ...late];
  replies.push(...(await Promise.all(calls.map((call) => call.sendAgain(server)))));
  return rowOf(entrant, 'lease-expiry', calls, tally(replies.map(({ status }) => String(status))), []);
}

/** A process that stops for longer than its lock is good for, and then goes on; meanwhile a retry reaches another. */
async function paused(entrant: Entrant, server: Server, other: Server, plan: FaultsPlan): Promise<Row> {
  const calls = await callsFor(entrant, server, plan.keys, { delayMs: LOCK_MS });
  const stopped = calls.map((call) => call.send());
  await sleep(LOCK_MS / 2);
  server.kill('SIGSTOP');
  await sleep(LOCK_MS * 1.2);
  const elsewhere = Promise.all(calls.map((call) => call.sendAgain(other)));
  // Whoever waits for the stopped one's answer waits for ever: it goes on.
  await Promise.race([elsewhere, sleep(LOCK_MS * 2.5)]);
  server.kill('SIGCONT');
  const replies = [...(await Promise.all(stopped)), ...(await elsewhere)];
  replies.push(...(await Promise.all(calls.map((call) => call.sendAgain(other)))));
  return rowOf(entrant, 'paused', calls, tally(replies.map(({ status }) => String(status))), []);
}

interface Call {
  readonly key: string;
  send(): Promise<Reply>;
  /** The same request, over another connection. */
  sendAgain(server: Server): Promise<Reply>;
  reconnect(server: Server): Promise<void>;
}

async function callsFor(
  { variant }: Entrant,
  server: Server,
  count: number,
  more: Partial<ThingInput>,
): Promise<Call[]> {
  const keys = freshKeys();
  return Promise.all(
    Array.from({ length: count }, async (): Promise<Call> => {
      const key = keys.next();
      const request = requestText(variant.road, key, { ...inputOf(key), ...more });
      let connection: Connection = await openConnection(server.url);
      return {
        key,
        send: () => connection.send(request),
        async sendAgain(to) {
          const another = await openConnection(to.url);
          const reply = await another.send(request);
          another.close();
          return reply;
        },
        async reconnect(to) {
          connection = await openConnection(to.url);
        },
      };
    }),
  );
}

async function rowOf(
  entrant: Entrant,
  scenario: Scenario,
  calls: readonly Call[],
  answers: Row['answers'] & object,
  times: readonly number[],
): Promise<Row> {
  const counts = await Promise.all(calls.map(({ key }) => entrant.effects(key)));
  const sorted = times.toSorted((a, b) => a - b);
  return {
    scenario,
    variant: entrant.variant.name,
    callers: calls.length,
    rps: null,
    ratio: null,
    p50Ms: rounded(quantile(sorted, 0.5)),
    p99Ms: rounded(quantile(sorted, 0.99)),
    cpuUs: null,
    ...UNCOUNTED,
    executionsPerKey: rounded(counts.reduce((sum, count) => sum + count, 0) / calls.length),
    answers,
  };
}

function tally(labels: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
