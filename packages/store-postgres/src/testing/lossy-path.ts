import type { Store } from '@semel/server/store';
import { createTcpProxy, loseAnswerAfter, type TcpProxy } from '@semel/testing/faults';
import type pg from 'pg';
import { afterEach, beforeEach, vi } from 'vitest';
import type { PostgresStoreOptions } from '../store.ts';
import { databaseUrl, type Fixture } from './fixture.ts';

/** A real network path to the real server, which loses what it is told to. */
export interface LossyPath {
  /** Of this test: each gets another. */
  readonly proxy: TcpProxy;
  /** A store at the end of it; closed with the fixture. */
  store(options?: Partial<PostgresStoreOptions>): Store<pg.ClientBase>;
  /** Postgres commits; the answer never arrives; the client hears that the connection is gone once `isCommitted`. */
  loseAnswer(isCommitted: () => Promise<boolean>): Promise<void>;
  /** The last flight never arrives; the connection breaks. Once. */
  loseLastFlight(then?: () => void): void;
}

/** To be called where hooks are: a proxy is made before each test and closed after it. */
export function lossyPath(database: () => Fixture): LossyPath {
  let proxy: TcpProxy;
  beforeEach(async () => {
    const { hostname, port } = new URL(databaseUrl);
    proxy = await createTcpProxy({ target: { host: hostname, port: Number(port) } });
  });
  afterEach(() => proxy.close());

  return {
    get proxy() {
      return proxy;
    },
    store(options = {}) {
      const connection = { connectionString: proxy.url(databaseUrl), connectionTimeoutMillis: 20_000 };
      return database().store({ connection, ...options });
    },
    async loseAnswer(isCommitted) {
      const lost = loseAnswerAfter('COMMIT');
      proxy.setFaults({ onData: lost.onData });
      const connection = await lost.swallowed;
      await vi.waitFor(async () => {
        if (!(await isCommitted())) throw new Error('not committed yet');
      }, 20_000);
      connection.reset();
    },
    loseLastFlight(then = () => {}) {
      let done = false;
      proxy.setFaults({
        onData(direction, chunk) {
          if (done || direction !== 'toServer' || !chunk.includes('COMMIT')) return 'pass';
          done = true;
          then();
          return 'reset';
        },
      });
    },
  };
}
