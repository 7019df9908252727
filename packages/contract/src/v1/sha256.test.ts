import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { base64UrlFromBytes, hexFromBytes, sha256Base64Url, sha256Hex, sha256Pure } from './sha256.ts';

const native = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

describe('SHA-256 in plain JavaScript', () => {
  it('gives the published values', () => {
    expect(hexFromBytes(sha256Pure(''))).toBe(
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    );
    expect(hexFromBytes(sha256Pure('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq'))).toBe(
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    );
    expect(hexFromBytes(sha256Pure('a'.repeat(1_000_000)))).toBe(
      'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0',
    );
  });

  it('equals the native one for every length around the block size', () => {
    for (let length = 0; length <= 200; length++) {
      const data = new Uint8Array(length).fill(length);
      expect(hexFromBytes(sha256Pure(data))).toBe(native(data));
    }
  });

  it('equals the native one for any bytes and any text, lone surrogates included', () => {
    const text = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), text, fc.constant('\ud800x\udc00')), (data) => {
        expect(hexFromBytes(sha256Pure(data))).toBe(native(data));
        expect(base64UrlFromBytes(sha256Pure(data))).toBe(sha256Base64Url(data));
        expect(sha256Hex(data)).toBe(native(data));
      }),
    );
  });

  it('reads only the bytes of a view', () => {
    const view = new Uint8Array([9, 97, 98, 99, 9]).subarray(1, 4);
    expect(hexFromBytes(sha256Pure(view))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
  });
});

describe('base64url', () => {
  it('equals the native one for every remainder', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        expect(base64UrlFromBytes(bytes)).toBe(Buffer.from(bytes).toString('base64url'));
      }),
    );
  });
});
