import cluster, { type Worker } from 'node:cluster';
import { createServer } from 'node:net';
import type { Settings } from '../settings.ts';
import { environmentOf } from './environment-of.ts';
import { answerMetrics } from './metrics-of-all.ts';

/** What answers at the one address. */
export interface Servers {
  readonly url: string;
  /** Each answers new work with 503, finishes what runs and ends; at the latest after the settings' deadline. */
  drain(): Promise<void>;
}

/** A server that ends sooner than this after it was started is started again after a longer pause each time. */
const SOON_MS = 5_000;
const PAUSE_MS = 100;
const MAX_PAUSE_MS = 10_000;

/**
 * Several server processes behind one port: each takes connections from the one that this process opened (node:cluster), and
 * this process starts a server anew when one ends. What servers share is in Postgres and Redis.
 *
 * @throws when they can't listen
 */
export async function startServers(settings: Settings): Promise<Servers> {
  // Once for all: servers share a port only under its number, and Node forgets one that nobody listens on.
  const port = settings.port === 0 ? await freePort(settings.host) : settings.port;
  // Servers take connections themselves. Node's default, that this process deals them out, loses those that a killed server
  // was about to get: nobody closes them, and their callers wait until they lose patience.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  const env = { ...environmentOf(settings), PORT: String(port) };
  const running = new Map<number, Worker>();
  let isStopping = false;

  /** @param earlyEnds of this server in a row */
  function start(number: number, earlyEnds = 0): Worker {
    const worker = cluster.fork(env);
    const startedAt = performance.now();
    running.set(number, worker);
    worker.once('exit', (code, signal) => {
      running.delete(number);
      if (isStopping) return;
      console.error(`reference-server: server ${number} ended (${signal ?? code}) and is started again`);
      const ends = performance.now() - startedAt < SOON_MS ? earlyEnds + 1 : 0;
      // Never at once: Ctrl-C reaches the servers and this process in any order.
      setTimeout(
        () => {
          if (!isStopping) start(number, ends);
        },
        Math.min(MAX_PAUSE_MS, PAUSE_MS * 2 ** ends),
      );
    });
    return worker;
  }

  const started = Array.from({ length: settings.servers }, (_, index) => start(index + 1));
  try {
    await Promise.all(started.map(listening));
  } catch (error) {
    isStopping = true;
    for (const worker of running.values()) worker.process.kill('SIGKILL');
    throw error;
  }
  answerMetrics(running);

  return {
    url: `http://${settings.host.includes(':') ? `[${settings.host}]` : settings.host}:${port}`,
    async drain() {
      isStopping = true;
      const ended = [...running.values()].map((worker) => {
        worker.process.kill('SIGTERM');
        return new Promise<void>((resolve) => worker.once('exit', () => resolve()));
      });
      await Promise.all(ended);
    },
  };
}

function listening(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once('listening', () => resolve());
    worker.once('exit', () => reject(new Error('a server process ended before it listened')));
  });
}

function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
