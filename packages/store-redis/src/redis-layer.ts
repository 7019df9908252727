import { hash } from 'node:crypto';
import {
  type Holder,
  identityKey,
  type Layer,
  type LayerAnswer,
  type LayerReport,
  NOTHING_KNOWN,
  type OperationIdentity,
} from '@semel/server/store';
import { Cluster, Redis } from 'ioredis';
import { createAsks } from './asks.ts';
import { createBreaker } from './breaker.ts';
import { createChanges } from './changes.ts';
import { connect, type RedisConnection } from './connection.ts';
import { createRunner, TimedOut } from './run-script.ts';
import { ask } from './scripts/ask.ts';
import { forget } from './scripts/forget.ts';
import { keep } from './scripts/keep.ts';
import { release } from './scripts/release.ts';
import { renew } from './scripts/renew.ts';
import type { Script } from './scripts/script.ts';

export interface RedisLayerOptions {
  /** A URL, what `ioredis` takes (Sentinel included), or `{ cluster: nodes }`. The layer opens connections of its own. */
  readonly connection: RedisConnection;
  /** Before every key, behind a `keyPrefix` of the connection's. Two applications on one Redis need two. @default 'semel:' */
  readonly prefix?: string;
  /** How long an answer may take, in milliseconds. It is the most that an outage costs one request. @default 100 */
  readonly timeoutMs?: number;
  /** How often a waiter looks again when no message wakes it, in milliseconds. @default 50 */
  readonly pollMs?: number;
}

export interface RedisLayer extends Required<Layer> {
  ask(identity: OperationIdentity, holder: Holder, holdMs: number): Promise<LayerAnswer>;
  keep(identity: OperationIdentity, text: string, ms: number): Promise<void>;
  forget(identity: OperationIdentity, ms: number): Promise<void>;
  /** Whether Redis answers: `timeoutMs` for connecting, and as long again for the answer. Nothing needs to wait for it. */
  ready(): Promise<boolean>;
  /** Ends its connections, after the answers to what was sent or `timeoutMs`. Asked afterwards it knows nothing. */
  close(): Promise<void>;
}

/** Purges that Redis has not heard of; told when it is back. More than these wait for their entries to run out. */
const MAX_UNTOLD = 10_000;

/**
 * Settled outcomes, and who is at work, in Redis 7 or Valkey: standalone, Sentinel or Cluster. One round trip a request,
 * one key an operation.
 *
 * Guarantees no more than a {@link Layer}: it saves time. Any failure is answered "nothing known" within `timeoutMs`; after
 * three in a row Redis isn't asked until a probe of its own finds it working.
 *
 * @example createSemel({ store, layers: [createProcessLayer(), createRedisLayer({ connection: 'redis://127.0.0.1' })] })
 */
export function createRedisLayer(options: RedisLayerOptions): RedisLayer {
  const { connection, prefix = 'semel:', timeoutMs = 100, pollMs = 50 } = options;
  const channel = `${prefix}changed`;
  const client = connect(connection);
  const { run, sendNow } = createRunner(client, timeoutMs);
  const changes = createChanges(connection, channel);
  const untold = new Map<string, number>();
  let report: (report: LayerReport) => void = () => {};
  let isClosed = false;
  /** The last one that failed while Redis was still asked. */
  let failedKey = '';

  const breaker = createBreaker({
    report(what) {
      // The connection on which messages come may have vanished with the other.
      if (what.kind === 'opened') changes.hangUp();
      // What was purged between the probe's last word and now.
      else for (const [key, ms] of untold) void tell(key, ms);
      report(what);
    },
    async probe() {
      // A write: a replica, or a Redis without memory, can only be read.
      // On a Cluster it is the node that failed which has to work again: the hash tag leads there.
      await run(ask, 1, [`${failedKey}probe`, 'probe', 1]).catch((error: unknown) => {
        // A replica that was the primary, or a primary that doesn't answer: there may be another by now, and who has
        // just vanished never closes a connection. Connect anew, where the primary is now.
        const isElsewhere = error instanceof TimedOut || String(error).includes('READONLY');
        if (isElsewhere && client instanceof Redis) client.disconnect(true);
        else if (isElsewhere && client instanceof Cluster) client.refreshSlotsCache();
        throw error;
      });
      for (const [key, ms] of untold) {
        await run(forget, 1, [key, ms]);
        untold.delete(key);
      }
    },
  });

  /** @param atOnce no entry may be read any more */
  function failed(key: string, error: unknown, atOnce: boolean): void {
    if (!breaker.isOpen) failedKey = key;
    breaker.failed(error, atOnce);
  }

  /** Sent at once, so that what was called first arrives first. `undefined` for what failed. */
  async function attempt(script: Script, key: string, ...args: (string | number)[]): Promise<unknown> {
    try {
      const found = await run(script, 1, [key, ...args]);
      breaker.succeeded();
      return found;
    } catch (error) {
      // A purge that wasn't heard of: no entry may be read before the probe has told it.
      failed(key, error, script === forget);
      return undefined;
    }
  }

  const askRedis = createAsks({
    run,
    sendNow,
    timeoutMs,
    isOne: client instanceof Redis,
    succeeded: breaker.succeeded,
    failed: (key, error) => failed(key, error, false),
  });

  /** Passes a purge on. */
  async function tell(key: string, ms: number): Promise<void> {
    if ((await attempt(forget, key, ms)) !== undefined) untold.delete(key);
  }

  const isLeftOut = (): boolean => isClosed || breaker.isOpen;
  const keyOf = (identity: OperationIdentity): string => `${prefix}{${digest(identity)}}`;
  const probeKey = (): string => `${prefix}{probe}`;

  // The first requests may come before the connection: they wait for it as long as for an answer, and no longer.
  let starting: Promise<boolean> | undefined = whenReady(client, timeoutMs).finally(() => {
    starting = undefined;
  });

  return {
    name: 'redis',
    watch(listener) {
      report = listener;
    },
    async ready() {
      if (starting !== undefined) await starting;
      return run(ask, 1, [probeKey(), 'probe', 1]).then(
        () => true,
        () => false,
      );
    },

    async ask(identity, { owner }, holdMs) {
      if (starting !== undefined) await starting;
      if (isLeftOut()) return NOTHING_KNOWN;
      return askRedis(keyOf(identity), owner, whole(holdMs));
    },
    async keep(identity, text, ms) {
      if (!isLeftOut()) await attempt(keep, keyOf(identity), text, whole(ms), channel);
    },
    async renew(identity, { owner, attempt: number }, holdMs) {
      if (!isLeftOut()) await attempt(renew, keyOf(identity), owner, number, whole(holdMs));
    },
    async release(identity, { owner }) {
      if (!isLeftOut()) await attempt(release, keyOf(identity), owner, channel);
    },
    async forget(identity, ms) {
      const key = keyOf(identity);
      // Noted first: the probe that follows a failure must not miss it.
      if (untold.size < MAX_UNTOLD) untold.set(key, whole(ms));
      if (!isLeftOut()) await tell(key, whole(ms));
    },
    async changed(identity, ms) {
      if (!isLeftOut()) await changes.next(keyOf(identity), Math.min(ms, pollMs));
    },
    async close() {
      isClosed = true;
      breaker.stop();
      changes.close();
      // What was sent gets its answer, if it comes in time.
      const timer = setTimeout(() => client.disconnect(), timeoutMs);
      await client.quit().catch(() => client.disconnect());
      clearTimeout(timer);
    },
  };
}

/** Redis takes whole milliseconds, at least one. */
const whole = (ms: number): number => Math.max(1, Math.floor(ms));

/** One length whatever the key, and nobody reads scopes and keys off the list of keys. */
const digest = (identity: OperationIdentity): string => hash('sha256', identityKey(identity), 'base64url');

function whenReady(client: ReturnType<typeof connect>, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const ended = (isReady: boolean) => () => {
      clearTimeout(timer);
      resolve(isReady);
    };
    const timer = setTimeout(ended(false), timeoutMs);
    client.once('ready', ended(true));
    client.once('close', ended(false));
  });
}
