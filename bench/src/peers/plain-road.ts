import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { type ThingInput, type Things, thingInput } from '../things.ts';
import type { Answer } from './peer.ts';

/** `POST /things` and `GET /effects` on nothing but node:http. */
export function plainRoad(
  things: Things,
  create: (key: string | undefined, input: ThingInput) => Promise<Answer>,
): RequestListener {
  return (req, res) => {
    handle(req, things, create).then(
      (answer) => send(res, answer),
      (error: unknown) => send(res, { status: 500, body: { message: String(error) } }),
    );
  };
}

async function handle(
  req: IncomingMessage,
  things: Things,
  create: (key: string | undefined, input: ThingInput) => Promise<Answer>,
): Promise<Answer> {
  const { method, url = '/', headers } = req;
  if (method === 'POST' && url === '/things') {
    const input = thingInput.safeParse(await readJson(req));
    if (!input.success) return { status: 400, body: { message: 'not a thing' } };
    return create(headers['idempotency-key'] as string | undefined, input.data);
  }
  if (method === 'GET' && url.startsWith('/effects')) {
    const reference = new URL(url, 'http://bench').searchParams.get('reference') ?? '';
    return { status: 200, body: { count: await things.count(reference) } };
  }
  return { status: 404, body: { message: 'no such route' } };
}

async function readJson(req: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    return undefined;
  }
}

function send(res: ServerResponse, { status, body }: Answer): void {
  const text = JSON.stringify(body);
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  res.end(text);
}
