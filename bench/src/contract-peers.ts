import {
  type Capabilities,
  type ContractTarget,
  contractSuite,
  runCase,
  whySkipped,
} from '@semel/testing/contract';
import { type Entrant, openStage } from './harness/stage.ts';
import type { Server } from './harness/start-server.ts';
import { VARIANTS } from './variants.ts';

/**
 * `npm run contract:peers [-- NAME…]`: asks the servers of the bench, ours and published ones, for the contract. Only what
 * every one of them promises in some words is asked: no header or problem document of our own, no authentication. Ends
 * with 1 unless ours passes and at least three published ones fail where they have been measured or read to fail.
 */
const CAPABILITIES: Capabilities = {
  slowHandler: true,
  replayMark: false,
  requiredKey: false,
  query: false,
  retryAfter: false,
  noStore: false,
  problemDocuments: false,
  wireProblems: false,
  operationHeader: false,
  contractHeader: false,
  age: false,
};

interface Known {
  readonly library: string;
  /** Cases that it is known to fail, with what is known. */
  readonly fails: Readonly<Record<string, string>>;
  /** What it doesn't promise. */
  readonly capabilities?: Capabilities;
  readonly mismatchStatus?: number;
  readonly maxKeyLength?: number;
}

const HEADER = 'the header is read as any text, so that "k" and k are two keys';
/** Its limit of 256 counts the quotes. */
const QUOTED = { maxKeyLength: 254 } as const;
/** It reads no header: the bench hands it the key. */
const NO_HEADER: Capabilities = { structuredKeys: false, keyLimits: false };

/** Measured, or read in their sources, before this suite existed. */
const KNOWN: Readonly<Record<string, Known>> = {
  'node-idempotency': { library: '@node-idempotency/core', fails: { N13: HEADER }, ...QUOTED },
  'node-idempotency-memory': { library: '@node-idempotency/core', fails: { N13: HEADER }, ...QUOTED },
  'express-idempotency': {
    library: 'express-idempotency',
    fails: {
      S37: 'who loses the race for the key is not stopped',
      N28: 'a client that sends x-hit: true gets no answer, and its key conflicts for ever',
      N13: HEADER,
    },
    capabilities: { keyLimits: false },
    mismatchStatus: 417,
  },
  powertools: {
    library: '@aws-lambda-powertools/idempotency',
    fails: {},
    capabilities: { ...NO_HEADER, fingerprint: false },
  },
  'powertools-without-context': {
    library: '@aws-lambda-powertools/idempotency',
    fails: { S29: 'its cache layer lets concurrent calls run where no Lambda context is registered' },
    capabilities: { ...NO_HEADER, fingerprint: false },
  },
  dbos: {
    library: '@dbos-inc/dbos-sdk',
    fails: { S44: 'the inputs of one workflow id are not compared: the old result is returned' },
    capabilities: NO_HEADER,
  },
};

interface Verdict {
  readonly name: string;
  readonly passed: readonly string[];
  readonly failed: ReadonlyMap<string, string>;
  readonly skipped: number;
  /** How often its process ended by itself. */
  readonly died: number;
}

const wanted = process.argv.slice(2);
const tell = (line: string) => process.stderr.write(`${line}\n`);
const variants = VARIANTS.filter(
  ({ name, unprotected, ours, road }) =>
    !unprotected && (!ours || road === 'plain') && (wanted.length === 0 || wanted.includes(name)),
);
const stage = await openStage(variants, tell);
const verdicts: Verdict[] = [];
try {
  for (const entrant of stage.entrants) verdicts.push(await ask(entrant));
} finally {
  await stage.close();
}
process.exitCode = report(verdicts) ? 0 : 1;

async function ask(entrant: Entrant): Promise<Verdict> {
  const { name } = entrant.variant;
  const { mismatchStatus = 422, maxKeyLength = 255, capabilities = {} } = KNOWN[name] ?? {};
  const can = { ...CAPABILITIES, ...capabilities };
  const passed: string[] = [];
  const failed = new Map<string, string>();
  let skipped = 0;
  let died = 0;
  let server = await started(entrant);
  for (const each of contractSuite.flatMap(({ cases }) => cases)) {
    if (server.gone) {
      died++;
      server = await started(entrant);
    }
    const target = { ...targetOf(server.url), mismatchStatus, maxKeyLength };
    if (whySkipped(each, target, can) !== undefined) {
      skipped++;
      continue;
    }
    try {
      await runCase(each, target, can);
      passed.push(each.id);
    } catch (error) {
      failed.set(each.id, `${each.title}\n      ${(error as Error).message.split('\n')[0]?.slice(0, 160)}`);
    }
  }
  await server.close();
  tell(`${name}: ${passed.length} passed, ${failed.size} failed, ${skipped} skipped`);
  return { name, passed, failed, skipped, died };
}

async function started(entrant: Entrant): Promise<Server & { readonly gone: boolean }> {
  const server = await entrant.start();
  let gone = false;
  void server.exited.then(() => {
    gone = true;
  });
  return Object.defineProperty({ ...server }, 'gone', { get: () => gone }) as Server & { gone: boolean };
}

function targetOf(url: string): ContractTarget {
  return {
    url,
    path: '/things',
    slowMs: 300,
    timeoutMs: 3000,
    async countEffects(reference) {
      const answer = await fetch(`${url}/effects?reference=${encodeURIComponent(reference)}`);
      return ((await answer.json()) as { count: number }).count;
    },
  };
}

/** @returns whether what has to be seen was seen */
function report(all: readonly Verdict[]): boolean {
  const known = new Set<string>();
  let oursPass = true;
  for (const { name, passed, failed, skipped, died } of all) {
    console.log(`\n${name}: ${passed.length} passed, ${failed.size} failed, ${skipped} skipped`);
    if (died > 0) console.log(`  its process ended by itself ${died} times, and was started again`);
    const expected = KNOWN[name]?.fails ?? {};
    for (const [id, what] of failed) {
      const why = expected[id];
      console.log(`  ${id}: ${what}${why === undefined ? '' : `\n      as known: ${why}`}`);
    }
    const seen = Object.keys(expected).filter((id) => failed.has(id));
    for (const id of Object.keys(expected)) {
      if (!failed.has(id)) console.log(`  ${id} passed, though it was known to fail: ${expected[id]}`);
    }
    const ours = KNOWN[name] === undefined;
    if (ours && failed.size > 0) oursPass = false;
    if (!ours && seen.length > 0) known.add(KNOWN[name]?.library ?? name);
  }
  const asked = wanted.length > 0;
  console.log(
    `\n${known.size} published ones fail where they were known to (${[...known].join(', ')}); ours ${oursPass ? 'passes' : 'FAILS'}`,
  );
  return oursPass && (asked || known.size >= 3);
}
