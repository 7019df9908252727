import type { OperationMode, RecordedPolicy } from '../store/port.ts';

/** A policy with every default filled in and every value checked. */
export interface Policy extends RecordedPolicy {
  readonly mode: Exclude<OperationMode, 'queued'>;
  readonly name: string | undefined;
  readonly key: 'required' | 'optional' | 'derived';
  readonly narrowScope: ((input: unknown) => string) | undefined;
  readonly pick: ((input: unknown) => unknown) | undefined;
  readonly mismatch: 'reject' | 'replay';
  readonly mismatchStatus: 422 | 409;
  readonly waitMs: number;
  readonly effects: 'unknown' | 'steps';
  readonly isFinal: ((error: unknown) => boolean) | undefined;
  readonly maxOutcomeBytes: number;
  /** `undefined`: where there is a key ring. */
  readonly encrypt: boolean | undefined;
  readonly isolation: 'read committed' | 'repeatable read' | 'serializable';
  /** The part that is written into the record. */
  readonly recorded: RecordedPolicy;
}
