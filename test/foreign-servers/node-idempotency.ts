import { Idempotency, IdempotencyError, IdempotencyErrorCodes } from '@node-idempotency/core';
import { MemoryStorageAdapter } from '@node-idempotency/storage-adapter-memory';
import express, { type Request } from 'express';
import { answerTests, createOrders, type ForeignServer, listen, type Order } from './orders.ts';

type Storage = ConstructorParameters<typeof Idempotency>[0];

const STATUSES: Partial<Record<IdempotencyErrorCodes, number>> = {
  [IdempotencyErrorCodes.REQUEST_IN_PROGRESS]: 409,
  [IdempotencyErrorCodes.IDEMPOTENCY_FINGERPRINT_MISSMATCH]: 422,
};

/** Where the middleware asks and tells: its README's two calls, around the handler. */
export function startNodeIdempotency(): Promise<ForeignServer> {
  const orders = createOrders();
  const memory = new MemoryStorageAdapter() as unknown as Storage;
  const idempotent = new Idempotency(memory, { enforceIdempotency: true });
  const app = express();
  app.use(express.json());
  answerTests(app, orders);
  app.post('/orders', async (req: Request, res) => {
    const request = {
      method: req.method,
      path: req.path,
      headers: req.headers as Record<string, string>,
      body: req.body as Record<string, unknown>,
    };
    try {
      const seen = await idempotent.onRequest<object, unknown>(request);
      if (seen) {
        res.status(Number(seen.additional?.status)).json(seen.body);
        return;
      }
    } catch (error) {
      if (!(error instanceof IdempotencyError)) throw error;
      res.status(STATUSES[error.code] ?? 400).json({ message: error.message });
      return;
    }
    const { status, body } = await orders.execute(req.body as Order);
    await idempotent.onResponse(request, { body, additional: { status } });
    res.status(status).json(body);
  });
  return listen(app);
}
