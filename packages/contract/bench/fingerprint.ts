import { createHash } from 'node:crypto';
import stringify from 'safe-stable-stringify';
import { fingerprint, fingerprintBytes } from '../src/v1/pure.ts';

// What a fingerprint costs beside the usual way to make one, safe-stable-stringify + SHA-256. Rounds are interleaved, so
// that a slow moment of the machine falls on all of them; medians are printed. `--assert` exits 1 beyond 1.3.
//   node --conditions=@semel/source packages/contract/bench/fingerprint.ts [--assert]

const LIMIT = 1.3;

function order(lines: number): unknown {
  return {
    orderId: 'ord_01J9ZK3T5V7X9B1D3F5H7K9M',
    customer: { id: 482_113, name: 'Ana Lindqvist', email: 'ana@example.org', tags: ['vip', 'eu'] },
    currency: 'EUR',
    total: 1234.5,
    note: null,
    express: false,
    items: Array.from({ length: lines }, (_, i) => ({
      sku: `SKU-${1000 + i}`,
      title: i % 7 === 0 ? 'Notebook "A5", ruled' : 'Notebook A5, ruled',
      quantity: 1 + (i % 3),
      unitPrice: 4.5 + i,
      attributes: { color: 'blue', weightGrams: 120 + i, fragile: i % 2 === 0 },
    })),
  };
}

function mixed(members: number): unknown {
  // No two objects of the same shape: the worst case for anything that remembers shapes.
  return Object.fromEntries(
    Array.from({ length: members }, (_, i) => [
      `field${i}`,
      { [`zeta${i}`]: i, [`alpha${i}`]: `value ${i}`, list: [i, i + 1] },
    ]),
  );
}

const cases: [string, unknown][] = [
  ['orders 1 KB', order(6)],
  ['orders 10 KB', order(75)],
  ['orders 100 KB', order(760)],
  ['no shape twice 1 KB', mixed(17)],
  ['no shape twice 10 KB', mixed(170)],
  ['no shape twice 100 KB', mixed(1600)],
];

function time(run: () => unknown, repeats: number): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < repeats; i++) run();
  return Number(process.hrtime.bigint() - start) / repeats / 1000;
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;

let worst = 0;
console.log(`Node ${process.version}; microseconds per call, medians of 31 interleaved rounds`);
console.log('payload                 bytes   safe-stable + SHA-256   fingerprint   ratio   raw bytes');
for (const [name, value] of cases) {
  const body = Buffer.from(JSON.stringify(value));
  const runs = [
    () =>
      createHash('sha256')
        .update(stringify(value) as string)
        .digest('base64url'),
    () => fingerprint('orders.create', value),
    () => fingerprintBytes('orders.create', 'application/octet-stream', body),
  ];
  const samples: number[][] = runs.map(() => []);
  const repeats = Math.max(8, Math.ceil(1_500_000 / body.length));
  for (let round = -5; round < 31; round++) {
    runs.forEach((run, i) => {
      const micros = time(run, repeats);
      if (round >= 0) (samples[i] as number[]).push(micros);
    });
  }
  const [theirs, ours, raw] = samples.map(median) as [number, number, number];
  worst = Math.max(worst, ours / theirs);
  console.log(
    `${name.padEnd(22)} ${String(body.length).padStart(7)} ${theirs.toFixed(1).padStart(18)} ${ours.toFixed(1).padStart(16)} ${(ours / theirs).toFixed(2).padStart(9)} ${raw.toFixed(1).padStart(9)}`,
  );
}
console.log(`worst ratio ${worst.toFixed(2)} (limit ${LIMIT})`);
if (process.argv.includes('--assert') && worst > LIMIT) process.exitCode = 1;
