import { parseOutcome } from '@semel/contract/v1/pure';
import type { SealedOperation } from '../sealing/sealing.ts';
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
export interface SealedOutcomes {
  fromValue(value: unknown, maxBytes: number): string;
  fromError(error: DescribedError, maxBytes: number): string;
  step(kind: StepRecord['kind'], name: string, value: unknown): string;
  /** What a worker will need to run it in the caller's place. */
  input(value: unknown): string;
}

export function outcomesOf(
  { sealing }: Pick<EngineContext<unknown>, 'sealing'>,
  outcomes: OutcomeCodec,
  operation: SealedOperation,
): SealedOutcomes {
  return {
    fromValue: (value, maxBytes) => sealing.seal(outcomes.fromValue(value, maxBytes), operation, 'outcome'),
    fromError: (error, maxBytes) => sealing.seal(outcomes.fromError(error, maxBytes), operation, 'outcome'),
    step: (kind, name, value) => sealing.seal(outcomes.stepFromValue(value), operation, kind, name),
    input: (value) => sealing.seal(outcomes.stepFromValue(value), operation, 'input'),
  };
}

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
  { sealing, emit }: Pick<EngineContext<Tx>, 'sealing' | 'emit'>,
  outcomes: OutcomeCodec,
  operation: SealedOperation,
  { name, kind, result }: StepRecord,
): { readonly value: unknown } | undefined {
  const opened = sealing.open(result, operation, kind, name);
  if ('text' in opened) {
    try {
      return { value: outcomes.stepToValue(opened.text) };
    } catch {
      return undefined;
    }
  }
  emit({ type: 'undecryptable', what: 'step', why: opened.unopened, ...subjectOf(operation, operation) });
  return undefined;
}

/** A queued input, or `undefined` and an alert: then nobody can run it, and somebody has to decide. */
export function openInput<Tx>(
  { sealing, emit }: Pick<EngineContext<Tx>, 'sealing' | 'emit'>,
  outcomes: OutcomeCodec,
  operation: SealedOperation,
  input: string,
): { readonly value: unknown } | undefined {
  // Somebody who can write the table may have removed it.
  const opened =
    typeof input === 'string' ? sealing.open(input, operation, 'input') : ({ unopened: 'altered' } as const);
  if ('text' in opened) {
    try {
      return { value: outcomes.stepToValue(opened.text) };
    } catch {
      emit({ type: 'undecryptable', what: 'input', why: 'altered', ...subjectOf(operation, operation) });
      return undefined;
    }
  }
  emit({ type: 'undecryptable', what: 'input', why: opened.unopened, ...subjectOf(operation, operation) });
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
