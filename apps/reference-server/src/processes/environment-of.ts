import type { Settings } from '../settings.ts';

/** What a server process reads where the services are that were started for all of them; the rest it inherits. */
export function environmentOf(settings: Settings): Record<string, string | undefined> {
  const { databaseUrl, redisUrl, providerUrl, billingUrl, rosterUrl, demoKeys } = settings;
  return {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    PROVIDER_URL: providerUrl,
    BILLING_URL: billingUrl,
    ROSTER_URL: rosterUrl,
    SEMEL_DEMO_KEYS: demoKeys ? '1' : '0',
  };
}
