import { afterAll, describe, test } from 'vitest';
import type { Capabilities } from './capabilities.ts';
import { runCase, whySkipped } from './run.ts';
import { contractSuite } from './suite.ts';
import type { ContractTarget } from './target.ts';

export interface DescribeIdempotencyOptions {
  /** How the server is called in the report. @default 'the server' */
  readonly name?: string;
  /** The server, or how to start it: called once, before the first case. */
  readonly target: ContractTarget | (() => ContractTarget | Promise<ContractTarget>);
  /** What the server can do. What it can't switches cases off, and each says why. */
  readonly capabilities?: Capabilities;
  /** Called after the last case. */
  readonly close?: () => unknown;
}

/**
 * Registers with vitest every case that a server of idempotent requests must pass, over plain HTTP or tRPC. Cases know
 * nothing of the server but its address: they send requests and look at answers, and at effects where the target can
 * count them.
 *
 * A case that needs what the server doesn't have is skipped and prints the reason; so a green run with skipped cases
 * says less. Races are run, not proven. Crashes of the server and its clock are not tested here.
 */
export function describeIdempotency(options: DescribeIdempotencyOptions): void {
  const { name = 'the server', target, capabilities = {}, close } = options;
  describe(`${name} keeps the contract of idempotent requests`, () => {
    const skippedBy = new Map<string, string[]>();
    let opened: Promise<ContractTarget> | undefined;
    const open = () => (opened ??= Promise.resolve(typeof target === 'function' ? target() : target));
    for (const { subject, cases } of contractSuite)
      describe(subject, () => {
        for (const each of cases)
          test(`${each.id}: ${each.title}`, async ({ skip }) => {
            const server = await open();
            const reason = whySkipped(each, server, capabilities);
            if (reason !== undefined) {
              skippedBy.set(reason, [...(skippedBy.get(reason) ?? []), each.id]);
              skip(reason);
            }
            await runCase(each, server, capabilities);
          });
      });
    afterAll(async () => {
      for (const [reason, ids] of skippedBy) console.info(`${name}: ${ids.join(', ')} skipped: ${reason}`);
      await close?.();
    });
  });
}
