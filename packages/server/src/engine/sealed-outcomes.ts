import { parseOutcome } from '@semel/contract/v1/pure';
import type { SealedOperation, Sealing } from '../sealing/sealing.ts';
import type { SettledEntry } from '../store/layer-entry.ts';
import type { OperationRecord, StepRecord } from '../store/port.ts';
import { type EngineContext, subjectOf } from './engine-context.ts';
import type { DescribedError } from './failure.ts';
import type { OutcomeCodec } from './outcome.ts';

/**
 * The outcome codec of one operation: what it writes is sealed where the operation is. The sealing is here and not in a
 * store around the store: a text is sealed once and then stored as often as it takes, and a settlement whose
 * acknowledgement got lost is recognised by its bytes.
 */
export class SealedOutcomes {
  readonly #sealing: Sealing;
  readonly #codec: OutcomeCodec;
  readonly #operation: SealedOperation;

  constructor(sealing: Sealing, codec: OutcomeCodec, operation: SealedOperation) {
    this.#sealing = sealing;
    this.#codec = codec;
    this.#operation = operation;
  }

  /** @throws UnstorableOutcome for what can't be replayed */
  fromValue(value: unknown, maxBytes: number): string {
    return this.#sealing.seal(this.#codec.fromValue(value, maxBytes), this.#operation, 'outcome');
  }

  fromError(error: DescribedError, maxBytes: number): string {
    return this.#sealing.seal(this.#codec.fromError(error, maxBytes), this.#operation, 'outcome');
  }

  step(kind: StepRecord['kind'], name: string, value: unknown): string {
    return this.#sealing.seal(this.#codec.stepFromValue(value), this.#operation, kind, name);
  }

  /** What a worker will need to run it in the caller's place. */
  input(value: unknown): string {
    return this.#sealing.seal(this.#codec.stepFromValue(value), this.#operation, 'input');
  }
}

export const outcomesOf = (
  { sealing }: Pick<EngineContext<unknown>, 'sealing'>,
  codec: OutcomeCodec,
  operation: SealedOperation,
): SealedOutcomes => new SealedOutcomes(sealing, codec, operation);

/** The stored outcome as it was serialised. What can't be opened is gone: `undefined`, and an alert. */
export function openOutcome<Tx>(
  { sealing, emit }: Pick<EngineContext<Tx>, 'sealing' | 'emit'>,
  record: OperationRecord | SettledEntry,
): string | undefined {
  const { outcome } = record;
  if (outcome === undefined) return undefined;
  const opened = sealing.open(outcome, record, 'outcome');
  if ('text' in opened) return opened.text;
  // A tombstone has nothing to seal: it says the same to everybody, whoever wrote it.
  if (opened.unopened === 'unsealed' && isTombstone(outcome)) return outcome;
  emit({ type: 'undecryptable', what: 'outcome', why: opened.unopened, ...subjectOf(record, record) });
  return undefined;
}

function isTombstone(outcome: string): boolean {
  const stored = parseOutcome(outcome);
  return stored !== undefined && 'gone' in stored;
}

/** A recorded result, or `undefined` and an alert: then nobody may go on, and nobody may run the step again. */
export function openStep<Tx>(
  context: Pick<EngineContext<Tx>, 'sealing' | 'emit'>,
  codec: OutcomeCodec,
  operation: SealedOperation,
  { name, kind, result }: StepRecord,
): { readonly value: unknown } | undefined {
  return openValue(context, codec, operation, 'step', context.sealing.open(result, operation, kind, name));
}

/** A queued input, or `undefined` and an alert: then nobody can run it, and somebody has to decide. */
export function openInput<Tx>(
  context: Pick<EngineContext<Tx>, 'sealing' | 'emit'>,
  codec: OutcomeCodec,
  operation: SealedOperation,
  input: string,
): { readonly value: unknown } | undefined {
  // Somebody who can write the table may have removed it.
  const opened =
    typeof input === 'string'
      ? context.sealing.open(input, operation, 'input')
      : ({ unopened: 'altered' } as const);
  return openValue(context, codec, operation, 'input', opened);
}

function openValue<Tx>(
  { emit }: Pick<EngineContext<Tx>, 'emit'>,
  codec: OutcomeCodec,
  operation: SealedOperation,
  what: 'step' | 'input',
  opened: ReturnType<Sealing['open']>,
): { readonly value: unknown } | undefined {
  if ('text' in opened) {
    try {
      return { value: codec.stepToValue(opened.text) };
    } catch {
      // It opens, and isn't what was written.
    }
  }
  const why = 'unopened' in opened ? opened.unopened : 'altered';
  emit({ type: 'undecryptable', what, why, ...subjectOf(operation, operation) });
  return undefined;
}

/** Plain JSON that is shown to people: why an attempt failed, how far it has come. */
export function sealedJson(
  { sealing }: Pick<EngineContext<unknown>, 'sealing'>,
  operation: SealedOperation,
  what: 'error' | 'progress',
  json: string,
): string {
  return sealing.seal(json, operation, what);
}

/** `undefined` for what can't be read: it is shown, nothing depends on it. */
export function openJson(
  { sealing }: Pick<EngineContext<unknown>, 'sealing'>,
  operation: SealedOperation,
  what: 'error' | 'progress',
  text: string,
): { readonly value: unknown } | undefined {
  const opened = sealing.open(text, operation, what);
  if (!('text' in opened)) return undefined;
  try {
    return { value: JSON.parse(opened.text) };
  } catch {
    return undefined;
  }
}
