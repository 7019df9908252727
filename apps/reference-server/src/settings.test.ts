import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { providerBudgetMs, readSettings } from './settings.ts';

const message = (env: Record<string, string>): string => {
  try {
    readSettings(env);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('The settings were accepted');
};

test('an empty environment gives an embedded server on port 4000 with demo keys', () => {
  const { dataDir, ...rest } = readSettings({});
  expect(rest).toStrictEqual({
    port: 4000,
    host: '127.0.0.1',
    databaseUrl: undefined,
    servers: 1,
    payout: { maxAttempts: 10, backoff: { minMs: 1_000, maxMs: 300_000 } },
    workerConcurrency: 4,
    redisUrl: undefined,
    redisPrefix: 'semel:',
    providerUrl: undefined,
    stripeApiKey: undefined,
    logLevel: 'info',
    isProduction: false,
    demoKeys: true,
    bodyLimitBytes: 262_144,
    corsOrigins: [],
    maxInFlight: 250,
    rateLimit: { max: 6_000, windowMs: 10_000 },
    payment: { leaseMs: 30_000, timeoutMs: 4_000, retries: 1 },
    billingUrl: undefined,
    rosterUrl: undefined,
    enrollment: { leaseMs: 30_000, timeoutMs: 4_000 },
    drainMs: 10_000,
  });
  expect(dataDir).toMatch(/[\\/]\.data$/);
});

test('a variable that is set to nothing counts as not set', () => {
  expect(readSettings({ PORT: '', DATABASE_URL: '' })).toStrictEqual(readSettings({}));
});

test('one message names all that is wrong', () => {
  expect(
    message({
      PORT: '80000',
      DATABASE_URL: 'mysql://x',
      PROVIDER_URL: 'nowhere',
      LOG_LEVEL: 'loud',
      SEMEL_DEMO_KEYS: 'yes',
    }),
  ).toBe(
    [
      'These settings are wrong:',
      '  PORT must be a whole number from 0 to 65535',
      '  DATABASE_URL must be a URL that begins with postgres:// or postgresql://',
      '  PROVIDER_URL must be a URL that begins with http:// or https://',
      '  LOG_LEVEL Invalid option: expected one of "fatal"|"error"|"warn"|"info"|"debug"|"trace"|"silent"',
      '  SEMEL_DEMO_KEYS Invalid option: expected one of "0"|"1"',
    ].join('\n'),
  );
});

test.each(['4000.5', '-1', '0x10', 'abc', ' 1', '1e3'])('a port of %j is refused', (PORT) => {
  expect(message({ PORT })).toContain('PORT must be a whole number');
});

test('a wrong secret is not repeated in the message', () => {
  expect(message({ STRIPE_API_KEY: 'topsecret' })).not.toContain('topsecret');
});

test.each([
  [{}, true],
  [{ SEMEL_DEMO_KEYS: '0' }, false],
  [{ DATABASE_URL: 'postgres://db/x' }, false],
  [{ DATABASE_URL: 'postgres://db/x', SEMEL_DEMO_KEYS: '1' }, true],
  [{ NODE_ENV: 'production', DATABASE_URL: 'postgres://db/x', STRIPE_API_KEY: 'sk_live_x' }, false],
])('with %j demo keys are let in: %j', (env, expected) => {
  expect(readSettings(env).demoKeys).toBe(expected);
});

test('production runs on no embedded database and on no simulated provider', () => {
  expect(message({ NODE_ENV: 'production' })).toContain('DATABASE_URL is required');
  expect(message({ NODE_ENV: 'production' })).toContain('STRIPE_API_KEY (or PROVIDER_URL) is required');
});

test('demo keys in production are refused, not ignored', () => {
  expect(message({ NODE_ENV: 'production', SEMEL_DEMO_KEYS: '1' })).toContain('SEMEL_DEMO_KEYS');
});

test('a lease that a call to the provider can outlive is refused', () => {
  expect(providerBudgetMs({ timeoutMs: 4_000, retries: 1 })).toBe(8_500);
  expect(providerBudgetMs({ timeoutMs: 4_000, retries: 2 })).toBe(13_500);
  expect(message({ PAYMENT_LEASE_MS: '8500' })).toContain('PAYMENT_LEASE_MS must outlast');
  expect(readSettings({ PAYMENT_LEASE_MS: '8501' }).payment.leaseMs).toBe(8_501);
});

test('a lease that a call to billing or roster can outlive is refused', () => {
  expect(message({ ENROLLMENT_LEASE_MS: '4000' })).toContain('ENROLLMENT_LEASE_MS must outlast');
  expect(readSettings({ ENROLLMENT_LEASE_MS: '4001' }).enrollment.leaseMs).toBe(4_001);
});

test('production with one of the two enrollment services is refused, naming the other', () => {
  const production = { NODE_ENV: 'production', DATABASE_URL: 'postgres://db/x', STRIPE_API_KEY: 'sk_live_x' };
  expect(message({ ...production, BILLING_URL: 'https://billing' })).toContain('ROSTER_URL is required');
  expect(message({ ...production, ROSTER_URL: 'https://roster' })).toContain('BILLING_URL is required');
});

test.each([
  ['https://shop.example, http://localhost:3000', ['https://shop.example', 'http://localhost:3000']],
  ['*', ['*']],
])('CORS_ORIGINS=%s is a list of origins', (CORS_ORIGINS, expected) => {
  expect(readSettings({ CORS_ORIGINS }).corsOrigins).toStrictEqual(expected);
});

test.each(['shop.example', 'https://shop.example/', 'https://*.example', 'null', 'https://a.example,'])(
  'an origin of %j is refused',
  (CORS_ORIGINS) => expect(message({ CORS_ORIGINS })).toContain('CORS_ORIGINS must be origins such as'),
);

test('a shortest pause between payout attempts that is longer than the longest is refused', () => {
  expect(() => readSettings({ PAYOUT_BACKOFF_MIN_MS: '500', PAYOUT_BACKOFF_MAX_MS: '400' })).toThrow(
    'PAYOUT_BACKOFF_MIN_MS must not be larger than PAYOUT_BACKOFF_MAX_MS',
  );
});

test('Redis and the number of servers are settings; what is wrong with them is named', () => {
  expect(readSettings({})).toMatchObject({ servers: 1, redisUrl: undefined, redisPrefix: 'semel:' });
  const given = { REDIS_URL: 'rediss://cache:6380', REDIS_PREFIX: 'shop:', SERVERS: '3' };
  expect(readSettings(given)).toMatchObject({
    servers: 3,
    redisUrl: 'rediss://cache:6380',
    redisPrefix: 'shop:',
  });
  expect(() => readSettings({ REDIS_URL: 'http://cache', REDIS_PREFIX: 'a b', SERVERS: '0' })).toThrow(
    /SERVERS must[\s\S]*REDIS_URL must[\s\S]*REDIS_PREFIX must/,
  );
});

test("every setting that is read stands in the README's table, and no other", () => {
  const read = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8');
  const declared = [...read('./settings.ts').matchAll(/^ {2}([A-Z_]+): /gm)].map(([, name]) => name);
  const [, table = ''] = /^## Settings$(.*?)^## /ms.exec(read('../README.md')) ?? [];
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  const documented = rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([A-Z_]+)`/g)]);
  expect(declared).toContain('PAYOUT_MAX_ATTEMPTS');
  expect(new Set(documented.map(([, name]) => name))).toStrictEqual(new Set(declared));
});
