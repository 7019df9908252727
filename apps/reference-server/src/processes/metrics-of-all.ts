import cluster, { type Worker } from 'node:cluster';
import { startMetrics } from '../telemetry/metrics.ts';
import { mergeMetrics } from './merge-metrics.ts';

// A scrape reaches any of the servers. That one asks the primary, which asks all of them.

type ToPrimary =
  | { readonly metrics: 'of all'; readonly id: number }
  | { readonly metrics: 'own'; readonly round: number; readonly text: string };
type ToServer =
  | { readonly metrics: 'merged'; readonly id: number; readonly text: string }
  | { readonly metrics: 'ask'; readonly round: number };

/** A server that hangs is missing from the answer, and the answer says so. */
const PATIENCE_MS = 1_000;

/** In the primary: answers servers that want to know what all of them say. */
export function answerMetrics(running: ReadonlyMap<number, Worker>): void {
  let rounds = 0;
  const waiting = new Map<number, (worker: Worker, text: string) => void>();

  function collect(): Promise<string> {
    const round = ++rounds;
    const asked = [...running].toSorted(([a], [b]) => a - b);
    const texts = new Map<Worker, string>();
    return new Promise((resolve) => {
      const settle = (): void => {
        clearTimeout(timer);
        waiting.delete(round);
        const silent = asked.filter(([, worker]) => !texts.has(worker));
        const complaints = silent.map(([number]) => `# server ${number} did not answer\n`);
        const heard = asked.filter(([, worker]) => texts.has(worker));
        const byServer = heard.map(([number, worker]) => [String(number), texts.get(worker) ?? ''] as const);
        resolve(mergeMetrics(new Map(byServer)) + complaints.join(''));
      };
      const timer = setTimeout(settle, PATIENCE_MS);
      waiting.set(round, (worker, text) => {
        texts.set(worker, text);
        if (texts.size === asked.length) settle();
      });
      for (const [, worker] of asked) tell(worker, { metrics: 'ask', round });
    });
  }

  cluster.on('message', (worker, message: ToPrimary) => {
    if (message.metrics === 'own') waiting.get(message.round)?.(worker, message.text);
    else if (message.metrics === 'of all') {
      void collect().then((text) => tell(worker, { metrics: 'merged', id: message.id, text }));
    }
  });
}

function tell(worker: Worker, message: ToServer): void {
  // It may be ending just now: then it is one that did not answer.
  if (worker.isConnected()) worker.send(message, () => {});
}

/** In a server: what all servers say, each sample with a label that names its server. */
export function createMetricsOfAll(): () => Promise<string> {
  const metrics = startMetrics();
  const asking = new Map<number, (text: string) => void>();
  let asked = 0;
  const say = (message: ToPrimary): void => void process.send?.(message);

  process.on('message', (message: ToServer) => {
    if (message.metrics === 'ask') {
      const { round } = message;
      void metrics.render().then((text) => say({ metrics: 'own', round, text }));
    } else if (message.metrics === 'merged') {
      asking.get(message.id)?.(message.text);
      asking.delete(message.id);
    }
  });
  return () =>
    new Promise((resolve) => {
      const id = ++asked;
      asking.set(id, resolve);
      say({ metrics: 'of all', id });
    });
}
