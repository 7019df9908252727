import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** Everything that can be set from outside, checked and with its defaults. Durations in ms. */
export interface Settings {
  readonly port: number;
  readonly host: string;
  /** Absent: an embedded Postgres in `dataDir`. */
  readonly databaseUrl: string | undefined;
  readonly dataDir: string;
  /** Server processes behind the one port. */
  readonly servers: number;
  /** Absent: an embedded Redis beside an embedded Postgres, otherwise none. */
  readonly redisUrl: string | undefined;
  /** Before every key in Redis: two applications, or two databases, on one Redis need two. */
  readonly redisPrefix: string;
  /** Absent: the provider simulator, or the real provider where there is a `stripeApiKey`. */
  readonly providerUrl: string | undefined;
  readonly stripeApiKey: string | undefined;
  readonly logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  readonly isProduction: boolean;
  /** Whether `sk_demo_…` keys are made and let in. */
  readonly demoKeys: boolean;
  readonly bodyLimitBytes: number;
  /** Web pages of these origins may call; `*` is any. */
  readonly corsOrigins: readonly string[];
  /** Requests at work at once in a server; more are answered 503. */
  readonly maxInFlight: number;
  /** Requests per API key and server (per address where there is no key); more are answered 429. */
  readonly rateLimit: { readonly max: number; readonly windowMs: number };
  /** One call to the provider may take `timeoutMs · (retries + 1)` and the pauses between; the lease outlasts it. */
  readonly payment: { readonly leaseMs: number; readonly timeoutMs: number; readonly retries: number };
  /** Payouts are sent by workers: how often they try, and how long they pause between two attempts. */
  readonly payout: {
    readonly maxAttempts: number;
    readonly backoff: { readonly minMs: number; readonly maxMs: number };
  };
  /** Queued operations that this process runs at a time; 0 leaves them to others. */
  readonly workerConcurrency: number;
  /** Of the services that enrollments need; absent: simulators, and none in production. */
  readonly billingUrl: string | undefined;
  readonly rosterUrl: string | undefined;
  /** One call to billing or roster may take `timeoutMs`; the lease outlasts it. */
  readonly enrollment: { readonly leaseMs: number; readonly timeoutMs: number };
  readonly drainMs: number;
}

/** Names every setting that is wrong, in one message for a person. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const whole = (min: number, max: number) => {
  const says = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, says)
    .transform(Number)
    .refine((n) => n >= min && n <= max, says);
};
const url = (...protocols: string[]) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
    error: `must be a URL that begins with ${protocols.map((p) => `${p}//`).join(' or ')}`,
  });

// `https://*.example` is a host's name to a URL, and no browser's origin.
const isOrigin = (text: string): boolean =>
  URL.canParse(text) && new URL(text).origin === text && !text.includes('*');

const environment = z.object({
  PORT: whole(0, 65_535).default(4000),
  HOST: z.string().default('127.0.0.1'),
  DATABASE_URL: url('postgres:', 'postgresql:').optional(),
  DATA_DIR: z.string().optional(),
  SERVERS: whole(1, 64).default(1),
  REDIS_URL: url('redis:', 'rediss:').optional(),
  REDIS_PREFIX: z
    .string()
    .regex(/^[\w:.-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ : . -')
    .default('semel:'),
  PROVIDER_URL: url('http:', 'https:').optional(),
  STRIPE_API_KEY: z
    .string()
    .regex(/^[rs]k_[\x21-\x7e]+$/, 'must begin with sk_ or rk_')
    .optional(),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  NODE_ENV: z.string().optional(),
  SEMEL_DEMO_KEYS: z.enum(['0', '1']).optional(),
  CORS_ORIGINS: z
    .string()
    .transform((list) => list.split(',').map((origin) => origin.trim()))
    .refine(
      (origins) => origins.every((origin) => origin === '*' || isOrigin(origin)),
      'must be origins such as https://shop.example, separated by commas, or *',
    )
    .optional(),
  BODY_LIMIT_BYTES: whole(1_024, 16_777_216).default(262_144),
  MAX_IN_FLIGHT: whole(1, 100_000).default(250),
  RATE_LIMIT_MAX: whole(1, 10_000_000).default(6_000),
  RATE_LIMIT_WINDOW_MS: whole(100, 3_600_000).default(10_000),
  PAYMENT_LEASE_MS: whole(1_000, 600_000).default(30_000),
  PROVIDER_TIMEOUT_MS: whole(100, 120_000).default(4_000),
  PROVIDER_RETRIES: whole(0, 5).default(1),
  PAYOUT_MAX_ATTEMPTS: whole(1, 1_000).default(10),
  PAYOUT_BACKOFF_MIN_MS: whole(10, 600_000).default(1_000),
  PAYOUT_BACKOFF_MAX_MS: whole(10, 86_400_000).default(300_000),
  WORKER_CONCURRENCY: whole(0, 1_000).default(4),
  BILLING_URL: url('http:', 'https:').optional(),
  ROSTER_URL: url('http:', 'https:').optional(),
  CAMPUS_TIMEOUT_MS: whole(100, 120_000).default(4_000),
  ENROLLMENT_LEASE_MS: whole(1_000, 600_000).default(30_000),
  DRAIN_DEADLINE_MS: whole(100, 600_000).default(10_000),
});

/** @throws SettingsError naming all that is wrong, never a value that may be a secret */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  // `PORT=` in a shell means "not set".
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = environment.safeParse(given);
  if (!parsed.success)
    throw wrong(parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`));

  const is = parsed.data;
  const problems: string[] = [];
  const isProduction = is.NODE_ENV === 'production';
  if (isProduction && is.SEMEL_DEMO_KEYS === '1') {
    problems.push('SEMEL_DEMO_KEYS demo keys are public: they are never let in with NODE_ENV=production');
  }
  if (isProduction && is.DATABASE_URL === undefined) {
    problems.push(
      'DATABASE_URL is required with NODE_ENV=production: the embedded Postgres is for trying out',
    );
  }
  if (isProduction && is.PROVIDER_URL === undefined && is.STRIPE_API_KEY === undefined) {
    problems.push(
      'STRIPE_API_KEY (or PROVIDER_URL) is required with NODE_ENV=production: the simulator moves no money',
    );
  }
  const longestCallMs = providerBudgetMs({ timeoutMs: is.PROVIDER_TIMEOUT_MS, retries: is.PROVIDER_RETRIES });
  if (longestCallMs >= is.PAYMENT_LEASE_MS) {
    problems.push(
      `PAYMENT_LEASE_MS must outlast a call to the provider: with PROVIDER_TIMEOUT_MS=${is.PROVIDER_TIMEOUT_MS} and PROVIDER_RETRIES=${is.PROVIDER_RETRIES} that is ${longestCallMs} ms`,
    );
  }
  if (is.PAYOUT_BACKOFF_MIN_MS > is.PAYOUT_BACKOFF_MAX_MS) {
    problems.push('PAYOUT_BACKOFF_MIN_MS must not be larger than PAYOUT_BACKOFF_MAX_MS');
  }
  if (isProduction && (is.BILLING_URL === undefined) !== (is.ROSTER_URL === undefined)) {
    const missing = is.BILLING_URL === undefined ? 'BILLING_URL' : 'ROSTER_URL';
    problems.push(`${missing} is required with NODE_ENV=production where the other service's address is set`);
  }
  if (is.CAMPUS_TIMEOUT_MS >= is.ENROLLMENT_LEASE_MS) {
    problems.push(
      `ENROLLMENT_LEASE_MS must outlast a call to billing or roster: CAMPUS_TIMEOUT_MS is ${is.CAMPUS_TIMEOUT_MS} ms`,
    );
  }
  if (problems.length > 0) throw wrong(problems);

  return {
    port: is.PORT,
    host: is.HOST,
    databaseUrl: is.DATABASE_URL,
    dataDir: is.DATA_DIR === undefined ? join(ROOT, '.data') : resolve(is.DATA_DIR),
    servers: is.SERVERS,
    redisUrl: is.REDIS_URL,
    redisPrefix: is.REDIS_PREFIX,
    providerUrl: is.PROVIDER_URL,
    stripeApiKey: is.STRIPE_API_KEY,
    logLevel: is.LOG_LEVEL,
    isProduction,
    demoKeys: !isProduction && (is.SEMEL_DEMO_KEYS ?? (is.DATABASE_URL === undefined ? '1' : '0')) === '1',
    bodyLimitBytes: is.BODY_LIMIT_BYTES,
    corsOrigins: is.CORS_ORIGINS ?? [],
    maxInFlight: is.MAX_IN_FLIGHT,
    rateLimit: { max: is.RATE_LIMIT_MAX, windowMs: is.RATE_LIMIT_WINDOW_MS },
    payment: {
      leaseMs: is.PAYMENT_LEASE_MS,
      timeoutMs: is.PROVIDER_TIMEOUT_MS,
      retries: is.PROVIDER_RETRIES,
    },
    payout: {
      maxAttempts: is.PAYOUT_MAX_ATTEMPTS,
      backoff: { minMs: is.PAYOUT_BACKOFF_MIN_MS, maxMs: is.PAYOUT_BACKOFF_MAX_MS },
    },
    workerConcurrency: is.WORKER_CONCURRENCY,
    billingUrl: is.BILLING_URL,
    rosterUrl: is.ROSTER_URL,
    enrollment: { leaseMs: is.ENROLLMENT_LEASE_MS, timeoutMs: is.CAMPUS_TIMEOUT_MS },
    drainMs: is.DRAIN_DEADLINE_MS,
  };
}

/** The longest that one call to the provider can take: attempts, and at most half a second, doubled, between them. */
export function providerBudgetMs({ timeoutMs, retries }: { timeoutMs: number; retries: number }): number {
  return timeoutMs * (retries + 1) + 500 * (2 ** retries - 1);
}

const wrong = (problems: readonly string[]): SettingsError =>
  new SettingsError(`These settings are wrong:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
