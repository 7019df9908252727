import { expect, it } from 'vitest';
import { splitMultipart } from './multipart.ts';

const type = 'multipart/form-data; boundary=b';
const bytes = (text: string) => new TextEncoder().encode(text);
const split = (text: string, contentType = type) =>
  splitMultipart(contentType, bytes(text))?.map(({ headers, body }) => [
    Object.fromEntries(headers),
    new TextDecoder().decode(body),
  ]);

it('takes parts out with their headers, in their order', () => {
  const body =
    '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n2\r\n--b\r\nX:  y \r\nContent-Type: text/plain\r\n\r\n\r\n--b--\r\n';
  expect(split(body)).toEqual([
    [{ 'content-disposition': 'form-data; name="a"' }, '1\r\n2'],
    [{ x: 'y', 'content-type': 'text/plain' }, ''],
  ]);
});

it.each([
  ['no parts', '--b--', []],
  ['no line end after the last boundary', '--b\r\n\r\nx\r\n--b--', [[{}, 'x']]],
  ['blanks behind a boundary', '--b \t\r\n\r\nx\r\n--b--\r\n', [[{}, 'x']]],
  ['a part that looks like a boundary but for its line', '--b\r\n\r\nx--b\r\n--b--\r\n', [[{}, 'x--b']]],
])('takes %s', (_what, body, parts) => {
  expect(split(body)).toEqual(parts);
});

it.each([
  ['text before the first boundary', 'hello\r\n--b\r\n\r\nx\r\n--b--\r\n'],
  ['text after the last boundary', '--b\r\n\r\nx\r\n--b--\r\nhello'],
  ['a boundary that goes on', '--b\r\n\r\nx\r\n--bc\r\n\r\ny\r\n--b--\r\n'],
  ['no last boundary', '--b\r\n\r\nx\r\n'],
  ['a folded header', '--b\r\nx: y\r\n z\r\n\r\nx\r\n--b--\r\n'],
  ['a header without a colon', '--b\r\nx\r\n\r\nx\r\n--b--\r\n'],
  ['headers without an end', '--b\r\nx: y\r\n--b--\r\n'],
  ['bare line feeds', '--b\n\nx\n--b--\n'],
  ['nothing', ''],
])('leaves a body with %s to be taken as bytes', (_what, body) => {
  expect(split(body)).toBe(undefined);
});

it.each([
  ['multipart/form-data'],
  ['multipart/form-data; boundary='],
  ['multipart/form-data; boundary=b; boundary=b'],
  ['multipart/form-data; boundary="b'],
])('leaves a body of type %s to be taken as bytes', (contentType) => {
  expect(split('--b\r\n\r\nx\r\n--b--\r\n', contentType)).toBe(undefined);
});

it('reads a quoted boundary, and one among other parameters', () => {
  const body = '--b c\r\n\r\nx\r\n--b c--';
  expect(split(body, 'multipart/mixed; charset=utf-8; BOUNDARY="b c"; x=y')).toEqual([[{}, 'x']]);
});

it('leaves a body of more than 1000 parts, or with header bytes that are no UTF-8, to be taken as bytes', () => {
  expect(split(`${'--b\r\n\r\nx\r\n'.repeat(1000)}--b--`)).toHaveLength(1000);
  expect(split(`${'--b\r\n\r\nx\r\n'.repeat(1001)}--b--`)).toBe(undefined);
  const odd = [...bytes('--b\r\nx: '), 0xff, ...bytes('\r\n\r\nx\r\n--b--')];
  expect(splitMultipart(type, Uint8Array.from(odd))).toBe(undefined);
});
