import { connect } from 'node:net';
import fc from 'fast-check';

/** A request as bytes on the wire, and how they are cut up on their way. */
export interface Hostile {
  readonly bytes: Buffer;
  readonly cuts: readonly number[];
  /** The caller goes away as soon as it has said this much. */
  readonly hangsUp: boolean;
}

const weighted = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary });
const mostly = <T>(usual: readonly T[], unusual: readonly T[]) =>
  fc.oneof(weighted(9, fc.constantFrom(...usual)), weighted(1, fc.constantFrom(...unusual)));

const headerText = fc.string({
  unit: fc.oneof(
    weighted(4, fc.constantFrom('"', ',', ';', '\\', '?', ':', '=', ' ', '\t', '0', 'k')),
    weighted(
      2,
      fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
    ),
    weighted(
      1,
      fc.integer({ min: 0x80, max: 0xff }).map((code) => String.fromCharCode(code)),
    ),
  ),
  maxLength: 40,
});
// Few, so that requests meet, and so that a long run stores no more than a short one.
const goodKey = fc.integer({ min: 0, max: 30 }).map((n) => `"key-${n}"`);
const key = fc.oneof(
  weighted(12, goodKey),
  weighted(2, headerText),
  weighted(
    1,
    fc.integer({ min: 200, max: 9000 }).map((length) => `"${'k'.repeat(length)}"`),
  ),
  weighted(
    1,
    goodKey.chain((k) => headerText.map((rest) => `${k};age=${rest}`)),
  ),
);
const header = (name: string, value: fc.Arbitrary<string>, presence: number) =>
  fc.oneof(
    weighted(10 - presence, fc.constant('')),
    weighted(
      presence,
      value.map((text) => `${name}: ${text}\r\n`),
    ),
    weighted(
      presence > 2 ? 1 : 0,
      fc.tuple(value, value).map((two) => two.map((text) => `${name}: ${text}\r\n`).join('')),
    ),
  );

const json = fc.oneof(
  weighted(
    6,
    fc.integer({ min: 0, max: 9 }).map((n) => `{"n":${n}}`),
  ),
  weighted(2, fc.json({ maxDepth: 3 })),
  weighted(
    1,
    fc.constantFrom(
      '',
      '{',
      '{"__proto__":{"polluted":true}}',
      '{"constructor":{"prototype":{"polluted":true}}}',
      '{"n":1,"n":2}',
      '{"n":9007199254740993}',
      '1e400',
      '"\\ud800"',
      '\ufeff{"n":1}',
      `${'['.repeat(300)}${']'.repeat(300)}`,
      `${'['.repeat(20_000)}`,
      `"${'x'.repeat(20_000)}"`,
    ),
  ),
);
const multipart = fc
  .tuple(
    fc.constantFrom('b', 'boundary', '--'),
    fc.array(
      fc.constantFrom(
        '--b',
        '--boundary',
        '--b--',
        '\r\n',
        '\r\n\r\n',
        'content-disposition: form-data; name="a"',
        'x',
        '\0',
        ': ',
      ),
      { maxLength: 12 },
    ),
  )
  .map(([boundary, pieces]) => `--${boundary}\r\n${pieces.join('')}\r\n--${boundary}--\r\n`);
const body = fc.oneof(
  weighted(
    8,
    json.map((text) => Buffer.from(text)),
  ),
  weighted(
    2,
    multipart.map((text) => Buffer.from(text)),
  ),
  weighted(
    2,
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  ),
  weighted(1, fc.constant(Buffer.alloc(0))),
  weighted(1, fc.constant(Buffer.alloc(40_000, 'y'))),
);
const contentType = fc.oneof(
  weighted(8, fc.constant('application/json')),
  weighted(
    4,
    fc.constantFrom(
      'application/vnd.x+json; charset=utf-8',
      'application/json; charset=utf-16',
      'multipart/form-data; boundary=b',
      'multipart/form-data; boundary="boundary"',
      'multipart/form-data',
      'multipart/mixed; boundary=b; boundary=c',
      'application/x-www-form-urlencoded',
      'application/octet-stream',
      'text/plain; charset=iso-8859-1',
    ),
  ),
  weighted(1, headerText),
);

const target = fc
  .tuple(
    mostly(
      ['/atomic', '/leased'],
      ['/', '//evil/atomic', '/atomic/../leased', '/atomic%00', '/%ff', '*', '/status', 'http://evil/atomic'],
    ),
    mostly(['', '?a=1'], ['?', '?a=%ff', '?a=%', '?a&a&b=+', '?__proto__=1', `?${'q'.repeat(3000)}`, '#x']),
  )
  .map((parts) => parts.join(''));

/** Whole and in order, or chunked, or not what was announced. */
const framed = fc
  .tuple(
    body,
    mostly(['length', 'chunked'], ['none', 'short', 'long', 'both', 'bad length', 'bad chunks']),
    fc.integer({ min: 1, max: 4000 }),
  )
  .map(([bytes, framing, size]) => {
    const length = (n: number | string) => `Content-Length: ${n}\r\n`;
    const chunked = 'Transfer-Encoding: chunked\r\n';
    switch (framing) {
      case 'length':
        return { headers: length(bytes.length), body: bytes };
      case 'chunked':
        return { headers: chunked, body: chunks(bytes, size) };
      case 'none':
        return { headers: '', body: bytes };
      case 'short':
        return { headers: length(bytes.length + size), body: bytes };
      case 'long':
        return { headers: length(Math.floor(bytes.length / 2)), body: bytes };
      case 'both':
        return { headers: chunked + length(bytes.length), body: bytes };
      case 'bad length':
        return { headers: length('1x'), body: bytes };
      default:
        return { headers: chunked, body: Buffer.from(`zz\r\n${bytes.toString('latin1')}`, 'latin1') };
    }
  });

function chunks(bytes: Buffer, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.subarray(at, at + size);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

export const hostile: fc.Arbitrary<Hostile> = fc
  .record({
    method: mostly(
      ['POST', 'POST', 'PUT', 'PATCH', 'DELETE'],
      ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PURGE', 'post', 'NONSENSE'],
    ),
    target,
    headers: fc
      .tuple(
        mostly(
          ['Authorization: Bearer alice\r\n', 'Authorization: Bearer bob\r\n'],
          ['', 'authorization: Bearer\r\n'],
        ),
        header('Idempotency-Key', key, 9),
        header('idempotency-keys', fc.oneof(goodKey, headerText), 1),
        header('Idempotency-Contract', fc.constantFrom('1', '2', '01', '', '1, 1'), 1),
        header('Content-Type', contentType, 9),
        header('Content-Encoding', fc.constantFrom('gzip', 'identity', 'br, gzip', ''), 1),
        header(
          'Accept',
          fc.oneof(fc.constantFrom('*/*', 'text/plain', 'text/html;q=0.1, application/json;q=2'), headerText),
          3,
        ),
        header('Expect', fc.constantFrom('100-continue', 'the-unexpected'), 1),
        header('Origin', fc.constantFrom('https://a', 'null'), 1),
        header('X-Forwarded-Host', headerText, 1),
      )
      .map((lines) => lines.join('')),
    host: mostly(['Host: x\r\n'], ['Host: a b\r\n', 'Host: [::1\r\n', 'Host: x:99999\r\n', '']),
    framed,
    cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 }),
    hangsUp: fc.oneof(weighted(19, fc.constant(false)), weighted(1, fc.constant(true))),
  })
  .map(({ method, target, headers, host, framed, cuts, hangsUp }) => {
    const head = `${method} ${target} HTTP/1.1\r\n${host}${headers}Connection: close\r\n${framed.headers}\r\n`;
    const bytes = Buffer.concat([Buffer.from(head, 'latin1'), framed.body]);
    return { bytes, cuts: cuts.map((at) => Math.floor(at * bytes.length)).sort((a, b) => a - b), hangsUp };
  });

/** Says it, cut up as it is. @returns the statuses of what came back; none where the server just closed */
export function say(port: number, { bytes, cuts, hangsUp }: Hostile): Promise<number[]> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let answer = '';
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      answer += text;
    });
    // A server may close on what it won't read further.
    socket.on('error', () => {});
    socket.on('close', () => {
      resolve([...answer.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status)));
    });
    const pieces = [0, ...cuts].map((from, at) => bytes.subarray(from, cuts[at] ?? bytes.length));
    const next = (at: number): void => {
      const piece = pieces[at];
      if (piece === undefined) {
        if (hangsUp) socket.destroy();
        // Half closed: a body that is shorter than announced ends here.
        else socket.end();
        return;
      }
      socket.write(piece, () => setImmediate(next, at + 1));
    };
    socket.on('connect', () => next(0));
  });
}
