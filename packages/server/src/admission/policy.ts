import type { Engine } from '../engine/engine.ts';
import type { Policy, Resolver } from '../engine/policy.ts';
import type { OperationMode, RecordedPolicy } from '../store/port.ts';
import { backoffIn, HOUR, policyFields, SECOND, waitMsIn } from './policy-fields.ts';

/**
 * What a procedure promises about repetition: `.meta({ idempotency: { mode: 'leased' } })`.
 * Durations are milliseconds. What was in force when an operation was claimed is kept in its record
 * ({@link RecordedPolicy}): recovery obeys that, not a later deployment.
 */
export interface IdempotencyPolicy {
  /**
   * `atomic`: the whole effect is in the store's own database, one transaction, one commit.
   * `leased`: effects outside, or several transactions; claimed first, renewed while it runs.
   * `queued`: long work; accepted (HTTP 202) in one commit with its job, then run by a worker as `leased`, with retries.
   */
  readonly mode: OperationMode;
  /** The stable name that keys are bound to. Keep it when a procedure moves. @default the procedure's path */
  readonly name?: string;
  /**
   * `required`: a call without a key is refused (`key_missing`). `optional`: it runs under a key of its own, once,
   * unprotected against repetition. `derived`: the key is the input's fingerprint, so equal inputs are one operation.
   * @default 'required'
   */
  readonly key?: 'required' | 'optional' | 'derived';
  /** Narrows the scope that authentication gave, for example by student: `(input) => input.studentId`. Can't widen it. */
  readonly scope?: (input: unknown) => string;
  /** Picks what of the raw input identifies the request. @default the whole input */
  readonly fingerprint?: (input: unknown) => unknown;
  /** A key that comes back with another input: `reject` answers `key_reused`; `replay` answers a settled operation's outcome. @default 'reject' */
  readonly mismatch?: 'reject' | 'replay';
  /** HTTP status of `key_reused`. @default 422 */
  readonly mismatchStatus?: 422 | 409;
  /**
   * A duplicate that arrives while an attempt runs: `conflict` answers `in_flight` at once; `waitMs` waits that long
   * for the answer first, holding no database connection. @default { waitMs: 1000 }
   */
  readonly inFlight?: 'conflict' | { readonly waitMs: number };
  /** How long a settled operation is replayed. @default 24 h */
  readonly ttlMs?: number;
  /** How long an attempt may go unrenewed before others may judge it dead. Renewed every third of it. @default 30 s */
  readonly leaseMs?: number;
  /** How long one attempt may run: then its signal aborts, renewal stops and `onCrash` applies. In `atomic` mode the transaction's time limit. @default 15 min leased, 15 s atomic */
  readonly maxRunMs?: number;
  /**
   * Leased: attempts that may be lost to crashes before an operation is suspended for a decision. Queued: attempts,
   * failed and lost ones alike, before it is `dead` and waits for a decision. @default 20, or 10 in mode 'queued'
   */
  readonly maxAttempts?: number;
  /**
   * Queued: the wait before the next attempt is random between 0 and `minMs` × 2^(attempts − 1), at most `maxMs`.
   * @default { minMs: 1000, maxMs: 300_000 }
   */
  readonly backoff?: { readonly minMs?: number; readonly maxMs?: number };
  /** Queued: who has to decide when the retries have run out, for people: a team's name. 1 to 200 characters. */
  readonly deadLetterOwner?: string;
  /**
   * Asked about an operation that is `suspended` or `dead`, before a person is: what did happen? What it writes through `tx`
   * commits with its answer. A worker of a server that has this procedure asks, about once a minute, until there is an answer.
   * One whose attempt was lost is asked about no sooner than a `leaseMs` after that was found, so that a process that was only
   * paused has noticed.
   * @example resolve: async ({ state, childKey }) => {
   *   const charge = await provider.find(childKey('charge'));
   *   if (charge !== undefined) return { completed: { chargeId: charge.id } };
   *   // A dead letter had all its attempts: why they failed is for a person to look at.
   *   return state === 'suspended' ? 'run_again' : undefined;
   * }
   */
  readonly resolve?: Resolver;
  /**
   * `steps`: every effect outside goes through `operation.step` under its child key, so that a later attempt may
   * safely go on. `unknown`: it may not be known what a broken attempt did. @default 'unknown'
   */
  readonly effects?: 'unknown' | 'steps';
  /** After a crash: `suspend` waits for a decision, `resume` lets the next attempt go on (needs `effects: 'steps'`). @default 'suspend', or 'resume' where effects are 'steps' */
  readonly onCrash?: 'suspend' | 'resume';
  /** How long after the first claim a step may (re)start: downstream services forget their keys too. @default 20 h */
  readonly downstreamWindowMs?: number;
  /** Says that an error thrown by the handler is final: stored, and replayed. Asked before the standing rule on status codes. */
  readonly finalErrors?: (error: unknown) => boolean;
  /** A larger outcome is not stored: later callers get `outcome_gone`, and nothing runs again. @default 1 MiB */
  readonly maxOutcomeBytes?: number;
  /**
   * Outcomes, step results and queued inputs are sealed, and fingerprints made, with the key ring of `createSemel`. `false`
   * stores them as they are; `true` without a key ring is refused. An operation stays as it was claimed.
   * @default true where there is a key ring
   */
  readonly encrypt?: boolean;
  /** Transaction isolation of atomic mode. @default 'read committed' */
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable';
}

/** A mistyped field would leave its default in force without a word. */
const FIELDS: ReadonlySet<string> = new Set<keyof IdempotencyPolicy>([
  'mode',
  'name',
  'key',
  'scope',
  'fingerprint',
  'mismatch',
  'mismatchStatus',
  'inFlight',
  'ttlMs',
  'leaseMs',
  'maxRunMs',
  'maxAttempts',
  'backoff',
  'deadLetterOwner',
  'resolve',
  'effects',
  'onCrash',
  'downstreamWindowMs',
  'finalErrors',
  'maxOutcomeBytes',
  'encrypt',
  'isolation',
]);

/** A policy that can't mean what it says is refused when the procedure is defined, naming the field. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
}

/**
 * For adapters: a policy that this server can keep.
 *
 * @throws PolicyError as {@link policyFrom} does, and for what this server's store, jobs or key ring can't do
 */
export function policyOn<Tx>(
  engine: Pick<Engine<Tx>, 'store' | 'encrypts' | 'queues'>,
  input: IdempotencyPolicy,
): Policy {
  const policy = policyFrom(input);
  if (policy.mode === 'atomic' && !engine.store.capabilities.transactions) {
    throw new PolicyError("mode 'atomic' needs a store with transactions");
  }
  if (policy.mode === 'queued' && !(engine.queues && engine.store.capabilities.transactions)) {
    throw new PolicyError(
      "mode 'queued' needs jobs, and a store with transactions: createSemel({ store, jobs: createPgBossJobs({ connection }) })",
    );
  }
  if (policy.encrypt === true && !engine.encrypts) {
    throw new PolicyError(
      'encrypt: true needs a key ring: createSemel({ store, keyRing: { current, keys } })',
    );
  }
  return policy;
}

/**
 * With every default filled in, and checked against itself. What a store or a key ring can do is {@link policyOn}'s to say.
 *
 * @throws PolicyError naming every field that is wrong
 */
export function policyFrom(input: IdempotencyPolicy): Policy {
  const fields = policyFields(input, FIELDS);
  const { problems, duration, oneOf } = fields;
  const { mode } = input;
  if (mode !== 'atomic' && mode !== 'leased' && mode !== 'queued') {
    problems.push(`mode must be 'atomic', 'leased' or 'queued', not ${String(mode)}`);
  }
  const effects = oneOf('effects', 'unknown', ['unknown', 'steps']);
  const onCrash = oneOf('onCrash', effects === 'steps' ? 'resume' : 'suspend', ['suspend', 'resume']);
  if (onCrash === 'resume' && effects !== 'steps') {
    problems.push(
      "onCrash: 'resume' needs effects: 'steps': without child keys a second attempt could act twice",
    );
  }
  const waitMs = waitMsIn(input.inFlight, problems);
  const recorded: RecordedPolicy = {
    mode,
    onCrash,
    leaseMs: duration('leaseMs', 30 * SECOND, 100, 24 * HOUR),
    maxRunMs: duration('maxRunMs', mode === 'atomic' ? 15 * SECOND : 900 * SECOND, 50, 24 * HOUR),
    maxAttempts: duration('maxAttempts', mode === 'queued' ? 10 : 20, 1, 10_000),
    downstreamWindowMs: duration('downstreamWindowMs', 20 * HOUR, 1, 10 * 365 * 24 * HOUR),
    ttlMs: duration('ttlMs', 24 * HOUR, SECOND, 10 * 365 * 24 * HOUR),
  };
  const policy: Policy = {
    ...recorded,
    mode,
    name: input.name,
    key: oneOf('key', 'required', ['required', 'optional', 'derived']),
    narrowScope: input.scope,
    pick: input.fingerprint,
    mismatch: oneOf('mismatch', 'reject', ['reject', 'replay']),
    mismatchStatus: oneOf('mismatchStatus', 422, [422, 409]),
    waitMs,
    effects,
    isFinal: input.finalErrors,
    maxOutcomeBytes: duration('maxOutcomeBytes', 1_048_576, 64, 64 * 1_048_576),
    encrypt: input.encrypt,
    backoff: backoffIn(input.backoff, problems),
    deadLetterOwner: input.deadLetterOwner,
    resolve: input.resolve,
    isolation: oneOf('isolation', 'read committed', ['read committed', 'repeatable read', 'serializable']),
    recorded,
  };
  for (const field of ['scope', 'fingerprint', 'finalErrors'] as const) fields.function(field);
  problems.push(...problemsIn(input));
  if (problems.length > 0) throw new PolicyError(`idempotency policy: ${problems.join('; ')}`);
  return policy;
}

/** What is wrong with fields that are taken as they are. */
function problemsIn({ mode, name, backoff, deadLetterOwner, resolve, encrypt }: IdempotencyPolicy): string[] {
  const problems: string[] = [];
  if (encrypt !== undefined && typeof encrypt !== 'boolean') {
    problems.push(`encrypt must be true or false, not ${String(encrypt)}`);
  }
  if (
    deadLetterOwner !== undefined &&
    !(typeof deadLetterOwner === 'string' && /^[^\p{Cc}\p{Cs}]{1,200}$/u.test(deadLetterOwner))
  ) {
    problems.push('deadLetterOwner must be 1 to 200 characters without control characters');
  }
  for (const [field, given] of Object.entries({ backoff, deadLetterOwner })) {
    if (given !== undefined && mode !== 'queued') problems.push(`${field} belongs to mode 'queued'`);
  }
  if (resolve !== undefined && (typeof resolve !== 'function' || mode === 'atomic')) {
    problems.push(
      "resolve must be a function, in mode 'leased' or 'queued': an atomic operation never waits for a decision",
    );
  }
  if (name !== undefined && !/^[\x21-\x7e]{1,200}$/.test(name)) {
    problems.push('name must be 1 to 200 visible ASCII characters');
  }
  return problems;
}
