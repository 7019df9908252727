import { setTimeout as later } from 'node:timers/promises';
import { createMemoryStore, createSemel } from '@semel/server';
import { httpIdempotency } from '@semel/server/http';
import { type NextRequest, NextResponse } from 'next/server.js';

const semel = createSemel({ store: createMemoryStore(), recovery: false });
const idempotent = httpIdempotency({
  semel,
  scope: (request) => request.headers.get('authorization') ?? undefined,
});
let runs = 0;

type Path = { params: Promise<{ shop: string }> };
export const order = idempotent(
  { name: 'orders.create', mode: 'atomic', inFlight: { waitMs: 5000 } },
  async (request, { original }, { params }: Path) => {
    const { sku } = (await request.json()) as { sku: string };
    if (sku === 'slow') await later(400);
    if (sku === 'broken') throw new Error('out of paper');
    const { shop } = await params;
    const { pathname } = (original as NextRequest).nextUrl;
    const response = NextResponse.json({ run: ++runs, sku, shop, pathname }, { status: 201 });
    response.cookies.set('sid', 'secret');
    return response;
  },
);
export const upload = idempotent({ name: 'files.put', mode: 'leased' }, async (request) => {
  runs++;
  return new Response(new Uint8Array(await request.arrayBuffer()).toReversed());
});
export const ship = idempotent({ name: 'orders.ship', mode: 'leased' }, (_request, { operation }) =>
  operation.settle(async () => new Response(null, { status: 204, headers: { 'X-Run': `${++runs}` } })),
);
export const status = idempotent.status();
