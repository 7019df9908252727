import express from 'express';
import { getSharedIdempotencyService, idempotency } from 'express-idempotency';
import { answerTests, createOrders, type ForeignServer, listen, type Order } from './orders.ts';

/** express-idempotency with its own store, mounted as its README does it. Its 409 and 417 are Express's pages of HTML. */
export function startExpressIdempotency(): Promise<ForeignServer> {
  const orders = createOrders();
  const app = express();
  // Else the page has a stack in it, and the console too.
  app.set('env', 'test');
  app.use(express.json());
  answerTests(app, orders);
  app.use(idempotency() as never);
  app.post('/orders', async (req, res) => {
    if (getSharedIdempotencyService().isHit(req as never)) return;
    const { status, body } = await orders.execute(req.body as Order);
    res.status(status).send(body);
  });
  return listen(app);
}
