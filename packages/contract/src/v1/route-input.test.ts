import { describe, expect, it } from 'vitest';
import { fingerprint } from './fingerprint.ts';
import { type RouteRequest, routeInput } from './route-input.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const request = (body: string | Uint8Array, over: Partial<RouteRequest> = {}): RouteRequest => ({
  method: 'POST',
  path: '/orders',
  search: '',
  contentType: 'application/json',
  body: typeof body === 'string' ? bytes(body) : body,
  ...over,
});
const print = (body: string | Uint8Array, over?: Partial<RouteRequest>) =>
  fingerprint('orders', routeInput(request(body, over)));

const form = (boundary: string, content: string) =>
  `--${boundary}\r\ncontent-disposition: form-data; name="a"\r\n\r\n${content}\r\n--${boundary}--\r\n`;
const multipart = (boundary: string) => ({ contentType: `multipart/form-data; boundary=${boundary}` });

describe('means the same', () => {
  it.each<[string, string, string]>([
    ['member order and blanks', '{"a":1,"b":[2]}', ' { "b": [ 2 ],\n"a":1 }'],
    ['the last of a member that occurs twice', '{"a":1,"a":2}', '{"a":2}'],
    ['escapes in a string', '"\\u0041"', '"A"'],
    ['another form of a number', '[100, 1e2]', '[1.0e2, 100.0]'],
    ['a byte order mark', '\ufeff{}', '{}'],
  ])('%s', (_what, one, other) => {
    expect(print(one)).toBe(print(other));
  });

  it.each<[string, Partial<RouteRequest>, Partial<RouteRequest>]>([
    ['the charset that JSON has anyway', { contentType: 'application/json; charset=UTF-8' }, {}],
    ['no encoding and identity', { contentEncoding: 'identity' }, {}],
    ['the order of names in a query', { search: '?a=1&b=2' }, { search: '?b=2&a=1' }],
    ['escapes in a query', { search: '?a=%20b' }, { search: 'a=+b' }],
  ])('%s', (_what, one, other) => {
    expect(print('{}', one)).toBe(print('{}', other));
  });

  it('the boundary of a form', () => {
    expect(print(form('one', 'x'), multipart('one'))).toBe(print(form('two', 'x'), multipart('two')));
  });

  it('the type of an empty body', () => {
    expect(print('', { contentType: undefined })).toBe(print(''));
  });
});

describe('tells apart', () => {
  const all = [
    print('{"a":1}'),
    print('{"a":1}', { method: 'PUT' }),
    print('{"a":1}', { path: '/orders/7' }),
    print('{"a":1}', { search: '?to=alice' }),
    print('{"a":1}', { search: '?to=mallory' }),
    print('{"a":1}', { search: '?to=alice&to=mallory' }),
    print('{"a":1}', { search: '?to=mallory&to=alice' }),
    print('{"a":1}', { search: '?to=%ff' }),
    print('{"a":1}', { search: '?to=%fe' }),
    print('{"a":1}', { search: '?to=%25ff' }),
    print('{"a":1}', { contentType: 'application/vnd.x+json' }),
    print('{"a":1}', { contentType: 'application/vnd.x+json; version=2' }),
    print('{"a":1}', { contentType: 'text/plain' }),
    print('{"a":1}', { contentEncoding: 'gzip' }),
    print('{"a":1}', { contentType: 'application/json; charset=utf-16' }),
    print('{"a":1,"__proto__":{"b":2}}'),
    print('{"a":1,"__proto__":{"b":3}}'),
    print('{"a":"1"}'),
    print('{"a":9007199254740993}'),
    print('{"a":9007199254740992}'),
    print('{"a":1e400}'),
    print('{"a":1e401}'),
    print('{"a":-0}'),
    print('{"a":0}'),
    print('{"a":null}'),
    print('{}'),
    print('{"a":"\u00e9"}'),
    print('{"a":"e\u0301"}'),
    print('{"a":1'),
    print('{"a":2'),
    print(''),
    print('""'),
    print(Uint8Array.of(0x22, 0xff, 0x22)),
    print(Uint8Array.of(0x22, 0xfe, 0x22)),
    print(form('b', 'x'), multipart('b')),
    print(form('b', 'y'), multipart('b')),
    print(form('b', 'x'), { contentType: 'multipart/mixed; boundary=b' }),
    print(form('b', 'x'), { contentType: 'text/plain' }),
    print(form('b', 'x').replace('"a"', '"b"'), multipart('b')),
    fingerprint('orders', routeInput(request('{"a":1}'), { asBytes: true })),
  ];

  it('everything else', () => {
    expect(new Set(all).size).toBe(all.length);
  });
});

it('is a value that a policy can pick from', () => {
  expect(
    routeInput(request('{"a":1}', { search: '?b=2&a=1', contentType: 'application/x+json; v=1' })),
  ).toEqual({
    method: 'POST',
    path: '/orders',
    query: [
      ['a', '1'],
      ['b', '2'],
    ],
    content: { kind: 'json', type: 'application/x+json;v=1', value: { a: 1 } },
  });
});
