import { isKeyed } from '../sealing/fingerprints.ts';
import type { Claim, StepRecord } from '../store/port.ts';
import { type EngineContext, subjectOf } from './engine-context.ts';
import type { OutcomeCodec } from './outcome.ts';
import { openStep, type SealedOutcomes } from './sealed-outcomes.ts';

/** What earlier attempts have recorded of their steps and transactions, and how this one records its own. */
export class RecoveryPoints<Tx> {
  readonly #context: EngineContext<Tx>;
  readonly #claim: Claim;
  readonly #codec: OutcomeCodec;
  readonly #outcomes: SealedOutcomes;
  #recorded: Promise<ReadonlyMap<string, StepRecord>> | undefined;

  constructor(context: EngineContext<Tx>, claim: Claim, codec: OutcomeCodec, outcomes: SealedOutcomes) {
    this.#context = context;
    this.#claim = claim;
    this.#codec = codec;
    this.#outcomes = outcomes;
  }

  /** By name, read once. `undefined`: a first attempt has none, and doesn't ask. */
  earlier(): Promise<ReadonlyMap<string, StepRecord>> | undefined {
    const { operationId, attempt } = this.#claim;
    if (attempt === 1) return undefined;
    this.#recorded ??= this.#context.store
      .steps(operationId)
      .then((steps) => new Map(steps.map((step) => [step.name, step])));
    return this.#recorded;
  }

  /** Whether it was recorded of the same kind and with the same declared input. One that can't be judged raises an alert. */
  matches(earlier: StepRecord, kind: StepRecord['kind'], declared: string): boolean {
    const { sealing, emit } = this.#context;
    const judged = sealing.judge(earlier.fingerprint, declared, this.#claim);
    if (judged === 'unreadable') {
      const what = { what: 'fingerprint', why: 'unknown_key' } as const;
      emit({ type: 'undecryptable', ...what, ...subjectOf(this.#claim, this.#claim) });
    }
    return earlier.kind === kind && judged === 'same';
  }

  /** The recorded result; `undefined` and an alert where it can't be read. */
  open(earlier: StepRecord): { readonly value: unknown } | undefined {
    return openStep(this.#context, this.#codec, this.#claim, earlier);
  }

  /** @throws UnstorableOutcome for what can't be given to a later attempt */
  record(kind: StepRecord['kind'], name: string, declared: string, value: unknown): StepRecord {
    const { sealing } = this.#context;
    return {
      name,
      kind,
      fingerprint: sealing.fingerprint(declared, this.#claim, isKeyed(this.#claim.fingerprint)),
      result: this.#outcomes.step(kind, name, value),
      attempt: this.#claim.attempt,
    };
  }
}
