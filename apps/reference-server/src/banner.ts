import type { DEMO_KEYS } from './access/demo-keys.ts';
import type { Services } from './embedded.ts';

export interface Banner {
  readonly url: string;
  /** How many processes answer there. */
  readonly servers: number;
  readonly services: Services;
  readonly demoKeys: typeof DEMO_KEYS;
}

/** What `npm start` prints: where everything is, and a line to paste. */
export function banner({ url, servers, services, demoKeys }: Banner): string {
  const { database, provider, providerUrl, campus } = services;
  const [first] = demoKeys;
  const rows: [string, string][] = [
    ['REST', `${url}/v1  ${url}/openapi.json`],
    ['tRPC', `${url}/trpc`],
    ...(first === undefined ? [] : [['checkout', `${url}/checkout`] as [string, string]]),
    ['health', `${url}/healthz  ${url}/readyz  ${url}/metrics`],
    ['database', database === 'embedded' ? 'embedded Postgres' : 'DATABASE_URL'],
    ['redis', REDIS[services.redis]],
    ...(servers > 1 ? [['servers', `${servers} processes`] as [string, string]] : []),
    ['provider', provider === 'simulator' ? `simulator, ${providerUrl}/_sim/charges` : provider],
    ['billing', campusAddress(campus.billing, 'invoices')],
    ['roster', campusAddress(campus.roster, 'seats')],
    ...demoKeys.map(({ key, tenantId, role }): [string, string] => [
      'demo key',
      `${key}  (${tenantId}, ${role})`,
    ]),
  ];
  const lines = rows.map(([name, value]) => `  ${name.padEnd(10)}${value}`);
  const hint =
    first === undefined
      ? [
          '',
          'Demo keys are off here. Make a key:',
          '',
          '  npm run keys -- create --tenant acme --role merchant',
        ]
      : [
          '',
          'Paste this twice: the second answer is the first one again, and the card is charged once.',
          '',
          curl(url, first.key),
        ];
  return ['', 'Semel reference server', ...lines, ...hint, ''].join('\n');
}

const REDIS: Readonly<Record<Services['redis'], string>> = {
  REDIS_URL: 'REDIS_URL',
  embedded: 'embedded Redis',
  none: 'none: replays come from the process that answered, or from Postgres',
};

const campusAddress = (address: Services['campus']['billing'], counts: string): string => {
  if (address === undefined) return 'none: nobody is enrolled here';
  return address.isSimulator ? `simulator, ${address.url}/_sim/${counts}` : address.url;
};

const curl = (url: string, key: string): string =>
  [
    `  curl -i ${url}/v1/payments -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json'`,
    ` -H 'Idempotency-Key: "${new Date().toISOString().slice(0, 19)}-coffee"'`,
    ` -d '{"amount":450,"currency":"EUR","customer":"cus_ok","reference":"coffee"}'`,
  ].join('');
