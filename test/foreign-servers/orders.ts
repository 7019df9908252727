import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Express } from 'express';

export interface Order {
  readonly reference: string;
  readonly sku: string;
  /** Runs on only when the test says so. */
  readonly hold?: boolean;
  /** Never comes to an end. */
  readonly never?: boolean;
  /** Fails the first time, when it's done. */
  readonly stumble?: boolean;
  readonly decline?: boolean;
}

/** A shop in somebody else's hands. */
export interface ForeignServer {
  readonly url: string;
  close(): Promise<void>;
}

/** What an application does with an order, and how often it did. */
export function createOrders() {
  const executions = new Map<string, number>();
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return {
    count: (reference: string): number => executions.get(reference) ?? 0,
    open,
    async execute({ reference, sku, ...order }: Order): Promise<{ status: number; body: object }> {
      const count = (executions.get(reference) ?? 0) + 1;
      executions.set(reference, count);
      if (order.hold) await opened;
      if (order.never) await new Promise(() => {});
      if (order.stumble && count === 1) return { status: 500, body: { message: 'out of memory' } };
      if (order.decline) return { status: 402, body: { message: 'declined' } };
      return { status: 201, body: { id: `${reference}-${count}`, sku } };
    },
  };
}

/** What tests ask an Express shop beside its orders. */
export function answerTests(app: Express, orders: ReturnType<typeof createOrders>): void {
  app.get('/executions', (req, res) => {
    res.json({ count: orders.count(req.query.reference as string) });
  });
  app.post('/release', (_, res) => {
    orders.open();
    res.json({});
  });
}

export async function listen(app: Express): Promise<ForeignServer> {
  const server = await new Promise<Server>((resolve, reject) => {
    const starting = app.listen(0, '127.0.0.1', (error?: Error) =>
      error ? reject(error) : resolve(starting),
    );
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
