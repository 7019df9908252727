import type { Capability } from './capabilities.ts';
import type { Stage } from './stage.ts';

/**
 * One fact about every server that promises what `needs` says. A plain function, so that it runs under any runner, in
 * any process, and against wrong servers too.
 */
export interface ContractCase {
  /**
   * `S…`: a scenario found in a published library's own tests. `N…`: one found in none. `W…`: only WIRE.md asks for it.
   * `coverage.ts` says what they are.
   */
  readonly id: `${'S' | 'N' | 'W'}${number}${string}`;
  readonly title: string;
  /** What asks for it: scenarios, draft-07's sections, WIRE.md's. */
  readonly sources: readonly string[];
  readonly needs: readonly Capability[];
  /** @throws AssertionError when the server does otherwise */
  run(stage: Stage): Promise<void>;
}

export interface CaseGroup {
  readonly subject: string;
  readonly cases: readonly ContractCase[];
}
