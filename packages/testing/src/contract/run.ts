import { type Capabilities, missing } from './capabilities.ts';
import type { ContractCase } from './case.ts';
import { createStage } from './stage.ts';
import { contractSuite } from './suite.ts';
import { type ContractTarget, partsOf } from './target.ts';

export type CaseResult = {
  readonly id: string;
  readonly subject: string;
  readonly title: string;
  readonly sources: readonly string[];
  readonly ms: number;
} & (
  | { readonly outcome: 'passed' }
  | { readonly outcome: 'skipped'; readonly reason: string }
  | { readonly outcome: 'failed'; readonly message: string }
);

export interface RunOptions {
  readonly target: ContractTarget;
  readonly capabilities?: Capabilities;
  /** Only the cases with one of these ids; `S44` means `S44-…` too. @default all */
  readonly only?: readonly string[];
  /** Called after each case. */
  readonly onResult?: (result: CaseResult, done: number, of: number) => void;
}

/** Why a case says nothing about this server; `undefined` when it can be run. */
export function whySkipped(
  subject: ContractCase,
  target: ContractTarget,
  capabilities: Capabilities = {},
): string | undefined {
  const parts = partsOf(target);
  for (const need of subject.needs) {
    const reason = missing(need, capabilities, parts);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** Runs one case. @throws AssertionError when the server breaks it */
export async function runCase(
  subject: ContractCase,
  target: ContractTarget,
  capabilities: Capabilities = {},
): Promise<void> {
  await subject.run(createStage(target, capabilities));
}

/**
 * Runs the suite, one case after another, and says what came of each. Never rejects because of the server: whatever
 * happens within a case is its result. Needs no test runner.
 */
export async function runContract(options: RunOptions): Promise<readonly CaseResult[]> {
  const { target, capabilities = {}, only, onResult } = options;
  const wanted = (id: string) =>
    only === undefined || only.some((one) => id === one || id.startsWith(`${one}-`));
  const all = contractSuite.flatMap(({ subject, cases }) => cases.map((each) => ({ subject, each })));
  const chosen = all.filter(({ each }) => wanted(each.id));
  const results: CaseResult[] = [];
  for (const { subject, each } of chosen) {
    const { id, title, sources } = each;
    const from = performance.now();
    const told = () => ({ id, subject, title, sources, ms: Math.round(performance.now() - from) });
    const reason = whySkipped(each, target, capabilities);
    let result: CaseResult;
    if (reason !== undefined) result = { ...told(), outcome: 'skipped', reason };
    else {
      try {
        await runCase(each, target, capabilities);
        result = { ...told(), outcome: 'passed' };
      } catch (error) {
        result = { ...told(), outcome: 'failed', message: messageOf(error) };
      }
    }
    results.push(result);
    onResult?.(result, results.length, chosen.length);
  }
  return results;
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.slice(0, 2000);
}
