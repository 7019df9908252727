import { expect, test } from 'vitest';
import {
  evictionCheck,
  infoFrom,
  latencyCheck,
  persistenceCheck,
  roleCheck,
  versionCheck,
} from './redis-facts.ts';

const info = (over: Readonly<Record<string, string>> = {}) =>
  infoFrom(
    Object.entries({ redis_version: '7.2.4', redis_mode: 'standalone', role: 'master', ...over })
      .map(([name, value]) => `${name}:${value}\r\n`)
      .join(''),
  );

test('versions: Redis 7 and Valkey are tested, older ones are not', () => {
  expect(versionCheck(info())).toMatchObject({ status: 'ok', found: '7.2.4' });
  expect(versionCheck(info({ valkey_version: '8.1.0' }))).toMatchObject({
    status: 'ok',
    found: 'Valkey 8.1.0',
  });
  expect(versionCheck(info({ redis_version: '6.2.1' })).status).toBe('warning');
});

test('a Sentinel itself, and one node of a Cluster, are not what was meant', () => {
  const status = (over: Readonly<Record<string, string>>, connection: Parameters<typeof roleCheck>[1]) =>
    roleCheck(info(over), connection).map((check) => check.status);
  expect(status({ redis_mode: 'sentinel' }, 'redis://s')).toEqual(['wrong']);
  expect(status({ redis_mode: 'cluster' }, 'redis://s')).toEqual(['wrong']);
  expect(status({ redis_mode: 'cluster' }, { cluster: [{ host: 'a', port: 1 }] })).toEqual(['ok', 'ok']);
  expect(status({ role: 'slave' }, 'redis://s')).toEqual(['ok', 'wrong']);
});

test.each([
  ['noeviction', '0', 'warning'],
  ['noeviction', '1000', 'warning'],
  ['volatile-ttl', '1000', 'ok'],
  ['allkeys-lfu', '1000', 'ok'],
])('%s with maxmemory %s is %s', (policy, maxmemory, status) => {
  expect(evictionCheck(info({ maxmemory_policy: policy, maxmemory })).status).toBe(status);
});

test('persistence is no matter, but said', () => {
  expect(persistenceCheck(info(), '').found).toBe('none seen, and none is needed');
  expect(persistenceCheck(info({ aof_enabled: '1' }), '3600 1').found).toMatch(/^AOF and RDB: not needed/);
});

test.each([
  [[0.2, 0.3, 9], 'ok'],
  [[6, 7, 8], 'warning'],
  [[90, 95, 200], 'wrong'],
])('%j ms is %s: one slow answer is no slow Redis', (times, status) => {
  expect(latencyCheck(times).status).toBe(status);
});
