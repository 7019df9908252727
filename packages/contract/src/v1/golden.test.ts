import { readFileSync } from 'node:fs';
import { runInNewContext, runInThisContext } from 'node:vm';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import * as contract from './pure.ts';

// The golden files are what another implementation is written against. Their hashes were made by another language from
// canonical texts written by hand; they are frozen with the first release.
const read = <T>(name: string): T[] =>
  JSON.parse(readFileSync(new URL(`../../golden/v1/${name}`, import.meta.url), 'utf8')) as T[];

interface KeyVector {
  header: string;
  malformed?: true;
  key?: string;
  ageMs?: number;
}
interface ListVector {
  header: string;
  malformed?: true;
  keys?: ({ key: string; ageMs?: number } | null)[];
}
interface ValueVector {
  name: string;
  procedure: string;
  js: string;
  canonical: string;
  fingerprint: string;
}
interface BytesVector {
  name: string;
  procedure: string;
  contentType: string;
  bodyHex: string;
  fingerprint: string;
}
interface RouteVector extends Omit<contract.RouteRequest, 'body'> {
  name: string;
  procedure: string;
  bodyHex: string;
  canonical: string;
  fingerprint: string;
}
type ChildVector = contract.ChildKeyParts & { childKey: string };

const values = read<ValueVector>('fingerprints.json');
const bytes = read<BytesVector>('fingerprints-bytes.json');
const children = read<ChildVector>('child-keys.json');
const evaluate = (js: string): unknown => runInThisContext(`(${js})`);

describe('keys.json', () => {
  it.each(read<KeyVector>('keys.json'))('$header', ({ header, malformed, key, ageMs }) => {
    const parsed = contract.parseKeyHeader(header);
    if (malformed) expect(parsed).toEqual({ ok: false, reason: expect.stringMatching(/./) });
    else expect(parsed).toStrictEqual({ ok: true, key: ageMs === undefined ? { key } : { key, ageMs } });
  });
});

describe('key-lists.json', () => {
  it.each(read<ListVector>('key-lists.json'))('$header', ({ header, malformed, keys }) => {
    const parsed = contract.parseKeyListHeader(header);
    if (malformed) expect(parsed).toEqual({ ok: false, reason: expect.stringMatching(/./) });
    else expect(parsed).toStrictEqual({ ok: true, keys: keys?.map((key) => key ?? undefined) });
  });
});

describe('fingerprints-routes.json', () => {
  it.each(read<RouteVector>('fingerprints-routes.json'))(
    '$name',
    ({ procedure, bodyHex, canonical, fingerprint, ...request }) => {
      const input = contract.routeInput({ ...request, body: Uint8Array.from(Buffer.from(bodyHex, 'hex')) });
      expect(contract.canonicalForm(input)).toBe(canonical);
      expect(contract.fingerprint(procedure, input)).toBe(fingerprint);
    },
  );
});

describe('fingerprints.json', () => {
  it.each(values)('$name', ({ procedure, js, canonical, fingerprint }) => {
    expect(contract.canonicalForm(evaluate(js))).toBe(canonical);
    expect(contract.fingerprint(procedure, evaluate(js))).toBe(fingerprint);
  });

  it.each(values)('$name, made in another realm', ({ procedure, js, fingerprint }) => {
    const value = runInNewContext(`(${js})`, { URL, URLSearchParams });
    expect(contract.fingerprint(procedure, value)).toBe(fingerprint);
  });
});

describe('fingerprints-bytes.json', () => {
  it.each(bytes)('$name', ({ procedure, contentType, bodyHex, fingerprint }) => {
    const body = new Uint8Array(Buffer.from(bodyHex, 'hex'));
    expect(contract.fingerprintBytes(procedure, contentType, body)).toBe(fingerprint);
  });
});

describe('child-keys.json', () => {
  it.each(children)('$scope / $procedure / $key / $step', ({ childKey, ...parts }) => {
    expect(contract.childKey(parts)).toBe(childKey);
  });
});

describe('without a native hash, as in a browser', () => {
  const asked: string[] = [];
  let browser: typeof contract;
  beforeAll(async () => {
    // The one thing that Node has and a browser hasn't, as far as this package looks.
    const builtin = vi.spyOn(process, 'getBuiltinModule').mockImplementation((name) => {
      asked.push(name);
      return undefined;
    });
    vi.resetModules();
    browser = await import('./pure.ts');
    builtin.mockRestore();
  });

  it('makes the same values', () => {
    expect(asked).toEqual(['node:crypto']);
    for (const { procedure, js, fingerprint } of values) {
      expect(browser.fingerprint(procedure, evaluate(js))).toBe(fingerprint);
    }
    for (const { procedure, contentType, bodyHex, fingerprint } of bytes) {
      const body = new Uint8Array(Buffer.from(bodyHex, 'hex'));
      expect(browser.fingerprintBytes(procedure, contentType, body)).toBe(fingerprint);
    }
    for (const { childKey, ...parts } of children) expect(browser.childKey(parts)).toBe(childKey);
    expect(browser.sha256Hex('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });
});
