import type { Road } from './harness/request.ts';
import type { Peer } from './peers/peer.ts';

/** A peer on a road. What to compare is decided here, and only here is any of it known by name. */
export interface Variant {
  /** Of the rows. */
  readonly name: string;
  readonly road: Road;
  /** The bare handler on the same road. */
  readonly against: string;
  /** What its rows of the replay scenario are called. @default its name */
  readonly replayName?: string;
  /** Is ours: held to more than being compared. */
  readonly ours?: true;
  /** Is no product but a measure: ours needn't be ahead of it. */
  readonly limit?: true;
  /** Is a measure for the others: has no key to protect, so faults are not tried on it. */
  readonly unprotected?: true;
  /** Is as fast as another: only what it does under duplicates and faults is of interest. */
  readonly onlyFaults?: true;
  readonly needsRedis?: true;
  /** Takes part only where its group, or it, is asked for by name (`--only redis`). */
  readonly group?: 'redis';
  /** Loads only its own peer: servers are processes of their own, and nobody pays for another's imports. */
  readonly load: () => Promise<Peer>;
}

export const VARIANTS: readonly Variant[] = [
  {
    name: 'bare',
    road: 'trpc',
    against: 'bare',
    unprotected: true,
    load: () => import('./peers/bare.ts').then(({ bare }) => bare),
  },
  {
    name: 'noop',
    road: 'trpc',
    against: 'bare',
    unprotected: true,
    load: () => import('./peers/noop.ts').then(({ noop }) => noop),
  },
  {
    name: 'hand-written',
    road: 'trpc',
    against: 'bare',
    limit: true,
    load: () => import('./peers/hand-written.ts').then(({ handWritten }) => handWritten),
  },
  {
    name: 'semel-atomic',
    road: 'trpc',
    against: 'bare',
    replayName: 'semel-replay-postgres',
    ours: true,
    load: () => import('./ours/semel-atomic.ts').then(({ semelAtomic }) => semelAtomic),
  },
  {
    name: 'semel-leased',
    road: 'trpc',
    against: 'bare',
    replayName: 'semel-leased-replay-postgres',
    ours: true,
    load: () => import('./ours/semel-leased.ts').then(({ semelLeased }) => semelLeased),
  },
  {
    name: 'semel-leased-outside',
    road: 'trpc',
    against: 'bare',
    replayName: 'semel-leased-outside-replay-postgres',
    ours: true,
    load: () => import('./ours/semel-leased-outside.ts').then(({ semelLeasedOutside }) => semelLeasedOutside),
  },
  {
    name: 'node-idempotency',
    road: 'trpc',
    against: 'bare',
    needsRedis: true,
    load: () => import('./peers/node-idempotency.ts').then(({ nodeIdempotency }) => nodeIdempotency),
  },
  {
    name: 'node-idempotency-memory',
    road: 'trpc',
    against: 'bare',
    load: () =>
      import('./peers/node-idempotency.ts').then(({ nodeIdempotencyMemory }) => nodeIdempotencyMemory),
  },
  {
    name: 'powertools',
    road: 'trpc',
    against: 'bare',
    needsRedis: true,
    load: () => import('./peers/powertools.ts').then(({ powertools }) => powertools),
  },
  {
    name: 'powertools-without-context',
    road: 'trpc',
    against: 'bare',
    needsRedis: true,
    onlyFaults: true,
    load: () =>
      import('./peers/powertools.ts').then(({ powertoolsWithoutContext }) => powertoolsWithoutContext),
  },
  {
    name: 'dbos',
    road: 'trpc',
    against: 'bare',
    load: () => import('./peers/dbos.ts').then(({ dbos }) => dbos),
  },
  {
    name: 'bare-http',
    road: 'plain',
    against: 'bare-http',
    unprotected: true,
    load: () => import('./peers/bare.ts').then(({ bare }) => bare),
  },
  {
    name: 'semel-http',
    road: 'plain',
    against: 'bare-http',
    replayName: 'semel-http-replay-postgres',
    ours: true,
    load: () => import('./ours/semel-http.ts').then(({ semelHttp }) => semelHttp),
  },
  {
    name: 'bare-express',
    road: 'express',
    against: 'bare-express',
    unprotected: true,
    load: () => import('./peers/bare-express.ts').then(({ bareExpress }) => bareExpress),
  },
  {
    name: 'express-idempotency',
    road: 'express',
    against: 'bare-express',
    needsRedis: true,
    load: () => import('./peers/express-idempotency.ts').then(({ expressIdempotency }) => expressIdempotency),
  },
  {
    name: 'redis-get',
    road: 'trpc',
    against: 'bare',
    limit: true,
    needsRedis: true,
    group: 'redis',
    load: () => import('./redis/redis-get.ts').then(({ redisGet }) => redisGet),
  },
  {
    name: 'semel-redis',
    road: 'trpc',
    against: 'bare',
    replayName: 'semel-replay-redis',
    ours: true,
    needsRedis: true,
    group: 'redis',
    load: () => import('./redis/semel-layers.ts').then(({ semelRedis }) => semelRedis),
  },
  {
    name: 'semel-process',
    road: 'trpc',
    against: 'bare',
    replayName: 'semel-replay-process',
    ours: true,
    group: 'redis',
    load: () => import('./redis/semel-layers.ts').then(({ semelProcess }) => semelProcess),
  },
];
