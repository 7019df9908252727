import { connect } from 'node:net';

/** Numbers that look random and come again with the same seed. */
export interface Dice {
  /** A whole number from 0 to `below` - 1. */
  whole(below: number): number;
  pick<T>(of: readonly T[]): T;
  /** True once in `times`. */
  once(times: number): boolean;
}

export function createDice(seed: number): Dice {
  let state = seed >>> 0;
  const whole = (below: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
  return {
    whole,
    pick: (of) => of[whole(of.length)] as (typeof of)[number],
    once: (times) => whole(times) === 0,
  };
}

/** One HTTP/1.1 request, byte by byte as a caller chose it. */
export interface RawRequest {
  readonly method: string;
  readonly target: string;
  /** Latin 1. Neither lengths nor `Connection` belong here. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer | undefined;
  readonly chunked: boolean;
  /** Where the bytes on the wire are split into writes of their own, as shares of the whole. */
  readonly splits: readonly number[];
  /** Hangs up after this share of the bytes. */
  readonly hangsUpAt?: number | undefined;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** @returns `undefined` where the caller hung up @throws when the server hangs up without an answer */
export function sendRaw(port: number, request: RawRequest): Promise<RawAnswer | undefined> {
  const bytes = bytesOf(request);
  const end = request.hangsUpAt === undefined ? bytes.length : Math.floor(bytes.length * request.hangsUpAt);
  const cuts = [...new Set(request.splits.map((share) => Math.floor(share * end)))].sort((a, b) => a - b);
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const received: Buffer[] = [];
    socket.on('data', (chunk) => received.push(chunk));
    // The server may refuse, and close, before it has read all that we still want to say.
    socket.on('error', () => {});
    socket.on('close', () => {
      if (request.hangsUpAt !== undefined) return resolve(undefined);
      const answer = parseAnswer(Buffer.concat(received));
      if (answer === undefined) reject(new Error('no answer'));
      else resolve(answer);
    });
    const write = async (): Promise<void> => {
      let at = 0;
      for (const cut of [...cuts, end]) {
        if (socket.destroyed) return;
        socket.write(bytes.subarray(at, cut));
        at = cut;
        await new Promise((next) => setImmediate(next));
      }
      if (request.hangsUpAt !== undefined) socket.destroy();
    };
    socket.on('connect', () => void write());
  });
}

function bytesOf({ method, target, headers, body, chunked }: RawRequest): Buffer {
  const length =
    body === undefined ? [] : chunked ? ['Transfer-Encoding: chunked'] : [`Content-Length: ${body.length}`];
  const lines = [
    `${method} ${target} HTTP/1.1`,
    'Host: localhost',
    'Connection: close',
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...length,
  ];
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  if (body === undefined || !chunked) return Buffer.concat([head, body ?? Buffer.alloc(0)]);
  const half = body.length >> 1;
  const chunks = [body.subarray(0, half), body.subarray(half)].filter((chunk) => chunk.length > 0);
  const coded = chunks.flatMap((chunk) => [`${chunk.length.toString(16)}\r\n`, chunk, '\r\n']);
  return Buffer.concat([head, ...[...coded, '0\r\n\r\n'].map((part) => Buffer.from(part as string))]);
}

function parseAnswer(bytes: Buffer): RawAnswer | undefined {
  const text = bytes.toString('utf8').replace(/^(HTTP\/1\.1 1\d\d[^\r]*\r\n(?:[^\r]+\r\n)*\r\n)+/, '');
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { status: Number(first.split(' ')[1]), headers: new Map(headers), body: text.slice(end + 4) };
}
