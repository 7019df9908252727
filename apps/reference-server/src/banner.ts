import type { DEMO_KEYS } from './access/demo-keys.ts';
import type { Services } from './embedded.ts';

export interface Banner {
  readonly url: string;
  readonly services: Services;
  readonly demoKeys: typeof DEMO_KEYS;
}

/** What `npm start` prints: where everything is, and a line to paste. */
export function banner({ url, services, demoKeys }: Banner): string {
  const { database, provider, providerUrl } = services;
  const [first] = demoKeys;
  const rows: [string, string][] = [
    ['API', `${url}/trpc`],
    ['health', `${url}/healthz  ${url}/readyz  ${url}/metrics`],
    ['database', database === 'embedded' ? 'embedded Postgres' : 'DATABASE_URL'],
    ['provider', provider === 'simulator' ? `simulator, ${providerUrl}/_sim/charges` : provider],
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

const curl = (url: string, key: string): string =>
  [
    `  curl -i ${url}/trpc/payments.create -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json'`,
    ` -H 'Idempotency-Key: "${new Date().toISOString().slice(0, 19)}-coffee"'`,
    ` -d '{"json":{"amount":450,"currency":"EUR","customer":"cus_ok","reference":"coffee"}}'`,
  ].join('');
