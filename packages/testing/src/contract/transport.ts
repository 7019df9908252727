import assert from 'node:assert/strict';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { HeaderLines } from './target.ts';

/** One request as it goes over the wire. Node's own client, because fetch joins header lines and hides sockets. */
export interface Sending {
  readonly url: URL;
  readonly method: string;
  readonly headers: HeaderLines;
  readonly body?: Buffer;
  /** In pieces, without a Content-Length. */
  readonly chunked?: boolean;
  readonly timeoutMs: number;
  readonly fetch?: ((request: Request) => Promise<Response>) | undefined;
}

/** What came back. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  readonly text: string;
  /** `undefined` for what is no JSON. */
  readonly json: unknown;
}

/** @throws AssertionError when no answer comes in time, or the connection breaks: both are answers to the suite */
export async function exchange(sending: Sending): Promise<Answer> {
  if (sending.fetch !== undefined) return exchangeByFunction(sending, sending.fetch);
  const { timeoutMs } = sending;
  const request = start(sending);
  return new Promise<Answer>((resolve, reject) => {
    const say = (what: string) => reject(new assert.AssertionError({ message: what }));
    const timer = setTimeout(() => {
      say(`${sending.method} ${sending.url.pathname} was not answered within ${timeoutMs} ms`);
      request.destroy();
    }, timeoutMs);
    const broken = (error: Error) => {
      clearTimeout(timer);
      say(`${sending.method} ${sending.url.pathname}: the connection broke: ${error.message}`);
    };
    request.on('error', broken);
    request.on('response', (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', broken);
      response.on('end', () => {
        clearTimeout(timer);
        const headers = new Headers();
        for (let at = 0; at < response.rawHeaders.length; at += 2) {
          headers.append(response.rawHeaders[at] as string, response.rawHeaders[at + 1] as string);
        }
        resolve(answerFrom(response.statusCode ?? 0, headers, Buffer.concat(chunks)));
      });
    });
    finish(request, sending);
  });
}

/** Sends a request and, once it has left, can tear its connection; nobody waits for the answer. */
export async function sendAndHangUp(sending: Sending): Promise<{ hangUp(): Promise<void> }> {
  const request = start(sending);
  request.on('response', (response) => response.resume());
  await new Promise<void>((resolve) => {
    request.on('error', () => resolve());
    request.on('finish', resolve);
    finish(request, sending);
  });
  return {
    hangUp: () =>
      new Promise((resolve) => {
        if (request.destroyed) return resolve();
        request.once('close', resolve);
        request.destroy();
      }),
  };
}

function start({ url, method, headers, body, chunked }: Sending): ClientRequest {
  const lines: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    lines[name] = typeof value === 'string' ? value : [...value];
  }
  if (body !== undefined && !chunked && lines['content-length'] === undefined) {
    lines['content-length'] = `${body.length}`;
  }
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  // A connection of its own: a torn one must not be another case's.
  return request(url, { method, headers: lines, agent: false });
}

function finish(request: ClientRequest, { body, chunked }: Sending): void {
  if (body === undefined || !chunked) {
    request.end(body);
    return;
  }
  const half = Math.ceil(body.length / 2);
  request.write(body.subarray(0, half), () => request.end(body.subarray(half)));
}

async function exchangeByFunction(
  { url, method, headers, body, timeoutMs }: Sending,
  fetch: (request: Request) => Promise<Response>,
): Promise<Answer> {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().map((line): [string, string] => [name, line]),
  );
  const request = new Request(url, {
    method,
    headers: lines,
    redirect: 'manual',
    ...(body !== undefined && { body: new Uint8Array(body) }),
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const message = `${method} ${url.pathname} was not answered within ${timeoutMs} ms`;
    timer = setTimeout(() => reject(new assert.AssertionError({ message })), timeoutMs);
  });
  try {
    const answered = async () => {
      const response = await fetch(request);
      return answerFrom(response.status, response.headers, Buffer.from(await response.arrayBuffer()));
    };
    return await Promise.race([answered(), late]);
  } finally {
    clearTimeout(timer);
  }
}

function answerFrom(status: number, headers: Headers, bytes: Buffer): Answer {
  const text = bytes.toString('utf8');
  return { status, headers, bytes, text, json: parsed(text) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
