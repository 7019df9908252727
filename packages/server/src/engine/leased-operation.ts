import { childKey, fingerprint, type OperationState } from '@semel/contract/v1/pure';
import {
  type Claim,
  isTransactionEndedByHandler,
  type StepRecord,
  type TransactionEnd,
} from '../store/port.ts';
import { type EngineContext, subjectOf } from './engine-context.ts';
import {
  CommitUnknown,
  DecisionNeeded,
  LeaseLost,
  OperationMisuse,
  RanTooLong,
  saysFinal,
} from './failure.ts';
import { firmly } from './firmly.ts';
import { causesOf } from './last-error.ts';
import type { Lease } from './leases.ts';
import type { Operation } from './operation.ts';
import { createProgress, type Progress } from './progress.ts';
import { RecoveryPoints } from './recovery-points.ts';
import { isRefusal, Refusal } from './refusal.ts';
import type { RunRequest } from './request.ts';
import { Running } from './running.ts';
import { outcomesOf, type SealedOutcomes, sealedJson } from './sealed-outcomes.ts';
import { completedWith, failedWith, type Settled } from './settlement.ts';

const STEP_NAME = /^[\x20-\x7e]{1,200}$/;

/**
 * The handler's side of a leased attempt. Keeps what the attempt has to know at its end: whether it was settled, and
 * whether something was begun whose result nobody knows.
 */
export class LeasedOperation<Tx> implements Operation<Tx> {
  readonly mode = 'leased';
  /** Its settlement is on its way: a write or a renewal that is refused meanwhile may have met it, and not another attempt. */
  concluding = false;
  /** Set by `settle`; final. */
  settled: Settled | undefined;
  /** A step or a commit began and its result isn't known. */
  unknown: unknown;
  /** This attempt, and not one of another operation, found itself overtaken. */
  lost = false;
  /** The handler ended, and a step that it had begun was still running. */
  abandoned = false;
  readonly outcomes: SealedOutcomes;

  readonly #context: EngineContext<Tx>;
  readonly #request: RunRequest;
  readonly #claim: Claim;
  readonly #lease: Lease;
  readonly #askedAt: number;
  readonly #points: RecoveryPoints<Tx>;
  readonly #names = new Set<string>();
  readonly #running = new Running();
  /** By what they threw. */
  readonly #failedSteps = new Map<unknown, string>();
  #progress: Progress | undefined;
  #ended = false;

  /** @param askedAt by `performance.now()`, from before the claim was first sent */
  constructor(context: EngineContext<Tx>, request: RunRequest, claim: Claim, lease: Lease, askedAt: number) {
    this.#context = context;
    this.#request = request;
    this.#claim = claim;
    this.#lease = lease;
    this.#askedAt = askedAt;
    this.outcomes = outcomesOf(context, request.outcomes, claim);
    this.#points = new RecoveryPoints(context, claim, request.outcomes, this.outcomes);
  }

  get id(): string {
    return this.#claim.operationId;
  }
  get scope(): string {
    return this.#claim.scope;
  }
  get procedure(): string {
    return this.#claim.procedure;
  }
  get key(): string {
    return this.#claim.key;
  }
  get attempt(): number {
    return this.#claim.attempt;
  }
  get signal(): AbortSignal {
    return this.#lease.signal;
  }
  get tx(): Tx {
    throw new OperationMisuse(
      "operation.tx belongs to mode 'atomic'. In leased mode write through operation.transaction(name, body) or operation.settle(body).",
    );
  }

  refuse = (error: unknown): Refusal => new Refusal(error);

  childKey = (step: string): string => {
    const { scope, procedure, key } = this.#claim;
    return childKey({ scope, procedure, key, step });
  };

  progress = (value: unknown): void => {
    if (this.#ended || this.settled !== undefined) {
      throw new OperationMisuse('operation.progress came after the end: nobody is shown how far it had come');
    }
    this.#progress ??= createProgress((json) => this.#writeProgress(json));
    this.#progress.report(value);
  };

  async #writeProgress(json: string): Promise<void> {
    const text = sealedJson(this.#context, this.#claim, 'progress', json);
    const written = await this.#context.store.queue.recordProgress(this.#claim, text);
    if (written.kind !== 'overtaken' || this.#ended || this.concluding || this.settled !== undefined) return;
    this.lost = true;
    this.#lease.lose();
  }

  /** Writes the last word about its progress, where that still waits. Never rejects. */
  async lastProgress(): Promise<void> {
    await this.#progress?.last();
  }

  /** The attempt is over: what of its progress isn't written yet is of no interest any more. */
  close(): void {
    this.#progress?.end();
  }

  /**
   * The handler has ended. What it began and didn't wait for (the other steps of a `Promise.all`, one of which threw) is
   * waited for here: until then nobody may say how the attempt ended. Nothing new may begin after it.
   */
  async end(): Promise<void> {
    if (!this.#running.isEmpty) await this.#running.settled(this.signal);
    this.#ended = true;
    if (this.#running.hasStep) {
      this.abandoned = true;
      this.unknown ??= new Error('A step was still running when the handler ended');
    }
  }

  /** The name of the step that this error came from, if it did. */
  failedStep(error: unknown): string | undefined {
    for (const each of causesOf(error)) {
      const name = this.#failedSteps.get(each);
      if (name !== undefined) return name;
    }
    return undefined;
  }

  step = <T>(
    name: string,
    optionsOrBody: { readonly input: unknown } | ((childKey: string) => Promise<T>),
    maybeBody?: (childKey: string) => Promise<T>,
  ): Promise<T> => this.#running.watch('step', this.#step(name, optionsOrBody, maybeBody));

  transaction = <T>(name: string, body: (tx: Tx) => Promise<T>): Promise<T> =>
    this.#running.watch('transaction', this.#transaction(name, body));

  settle = <T>(body: (tx: Tx) => Promise<T | Refusal>): Promise<T> =>
    this.#running.watch('transaction', this.#settle(body));

  async #step<T>(
    name: string,
    optionsOrBody: { readonly input: unknown } | ((childKey: string) => Promise<T>),
    maybeBody?: (childKey: string) => Promise<T>,
  ): Promise<T> {
    const body = typeof optionsOrBody === 'function' ? optionsOrBody : maybeBody;
    if (body === undefined)
      throw new OperationMisuse(`operation.step('${name}') was called without a body: (childKey) => …`);
    const declared = typeof optionsOrBody === 'function' ? '' : fingerprint(name, optionsOrBody.input);
    const earlier = await this.#begin(name, 'step', declared);
    const startedAt = performance.now();
    if (earlier !== undefined) return this.#resumed<T>(earlier);

    let value: T;
    try {
      value = await body(this.childKey(name));
    } catch (error) {
      this.#failedSteps.set(error, name);
      // "No" is an answer. Anything else leaves open what the other side did.
      if (!isRefusal(error) && !saysFinal(this.#request.policy.isFinal, error)) this.unknown = error;
      throw error;
    }
    const { store } = this.#context;
    const { trace } = this.#request;
    try {
      const record = this.#points.record('step', name, declared, value);
      const written = await firmly(this.#claim, () => store.recordStep(this.#claim, record, trace));
      if (written.kind === 'overtaken') this.#overtaken('step', written.by);
    } catch (error) {
      this.#failedSteps.set(error, name);
      // It was done, and no later attempt will know.
      if (!(error instanceof LeaseLost)) this.unknown = error;
      throw error;
    }
    this.#emitStep(name, false, startedAt);
    return value;
  }

  async #transaction<T>(name: string, body: (tx: Tx) => Promise<T>): Promise<T> {
    const earlier = await this.#begin(name, 'transaction', '');
    const startedAt = performance.now();
    if (earlier !== undefined) return this.#resumed<T>(earlier);
    const value = await this.#transact<T>('transaction', async (tx) => {
      const value = await body(tx);
      return { kind: 'step', step: this.#points.record('transaction', name, '', value), value };
    });
    this.#emitStep(name, false, startedAt);
    return value;
  }

  async #settle<T>(body: (tx: Tx) => Promise<T | Refusal>): Promise<T> {
    await this.#begin('settle', 'transaction', '');
    let settled: Settled;
    try {
      settled = await this.#transact('settle', async (tx) => {
        const end = await this.#endOf(await body(tx));
        this.concluding = true;
        return end;
      });
    } finally {
      this.concluding = false;
    }
    this.settled = settled;
    // Nothing is left to renew: a renewal that finds the operation settled would look like a takeover.
    this.#lease.end();
    if (settled.outcome === 'failed') throw new Refusal(settled.thrown);
    return settled.value as T;
  }

  async #endOf(returned: unknown): Promise<TransactionEnd<Settled>> {
    const { outcomes } = this;
    const { failures, parseOutput } = this.#request;
    if (isRefusal(returned)) {
      const thrown = returned.error;
      const error = await failures.describe(thrown);
      const value = { outcome: 'failed', error, thrown } as const;
      return { kind: 'settle', settlement: failedWith(error, this.#request, outcomes), value };
    }
    const value = parseOutput === undefined ? returned : await parseOutput(returned);
    const settlement = completedWith(value, this.#request, outcomes);
    return { kind: 'settle', settlement, value: { outcome: 'completed', value } };
  }

  /** What every recovery point asks first: is it still ours, is the name new, is it already recorded, is there time? */
  async #begin(name: string, kind: StepRecord['kind'], declared: string): Promise<StepRecord | undefined> {
    this.#refuseLate(kind, name);
    if (typeof name !== 'string' || !STEP_NAME.test(name)) {
      throw new OperationMisuse(`The name of a ${kind} is 1 to 200 characters of printable ASCII`);
    }
    if (this.#names.has(name)) {
      throw new OperationMisuse(
        `The name '${name}' was used twice in one attempt: a later attempt could not tell them apart. Give each its own, for example with an index.`,
      );
    }
    this.#names.add(name);
    const recorded = this.#points.earlier();
    const earlier = recorded && (await recorded).get(name);
    // Asked last, so that it still holds when the body begins: reading what is recorded may have taken long.
    const held = await this.#lease.confirm();
    if (held === 'lost') {
      this.lost = true;
      throw new LeaseLost();
    }
    this.#refuseLate(kind, name);
    // What is written carries the fence with it and may still be in time; a call to the outside can't be fenced.
    if (held === 'too long' && kind === 'step') throw new RanTooLong(name, this.#claim.policy.maxRunMs);
    if (earlier !== undefined) {
      if (this.#points.matches(earlier, kind, declared)) return earlier;
      throw this.#undecided(
        `'${name}' was recorded by attempt ${earlier.attempt} with another input, or with one that can't be compared any more; going on could mix two requests`,
      );
    }
    if (
      kind === 'step' &&
      this.#storeNow() > this.#claim.firstClaimedAt + this.#claim.policy.downstreamWindowMs
    ) {
      throw this.#undecided(
        `'${name}' may not start any more: the downstream window has passed, so the other side may have forgotten its key`,
      );
    }
    return undefined;
  }

  #refuseLate(kind: StepRecord['kind'], name: string): void {
    if (this.settled === undefined && !this.#ended) return;
    throw new OperationMisuse(
      this.settled === undefined
        ? `operation.${kind}('${name}') came after the handler had ended: wait for everything that it begins`
        : `operation.${kind}('${name}') came after settle: the outcome is already stored`,
    );
  }

  async #transact<T>(
    write: 'transaction' | 'settle',
    body: (tx: Tx) => Promise<TransactionEnd<T>>,
  ): Promise<T> {
    const { policy, trace } = this.#request;
    const limits = { timeoutMs: policy.maxRunMs, trace };
    const result = await this.#context.store.transact(this.#claim, body, limits).catch((error: unknown) => {
      if (!isTransactionEndedByHandler(error)) throw error;
      throw this.#undecided(error.message, { cause: error });
    });
    switch (result.kind) {
      case 'committed':
        return result.value;
      case 'overtaken':
        return this.#overtaken(write, result.by);
      case 'unknown':
        this.unknown = new CommitUnknown(result.cause);
        throw this.unknown;
    }
  }

  #overtaken(
    write: 'step' | 'transaction' | 'settle',
    by: { state: OperationState; attempt: number },
  ): never {
    this.lost = true;
    this.#lease.lose();
    this.#context.emit({ type: 'fenced', write, by, ...subjectOf(this.#request, this.#claim) });
    throw new LeaseLost();
  }

  #resumed<T>(earlier: StepRecord): T {
    const opened = this.#points.open(earlier);
    // It was done. Doing it again because its result can't be read would be doing it twice.
    if (opened === undefined) {
      throw this.#undecided(
        `the recorded result of '${earlier.name}' can't be read; without it nobody can go on`,
      );
    }
    this.#emitStep(earlier.name, true, performance.now());
    return opened.value as T;
  }

  #undecided(why: string, options?: ErrorOptions): DecisionNeeded {
    const needed = new DecisionNeeded(why, options);
    this.unknown = needed;
    return needed;
  }

  #emitStep(step: string, resumed: boolean, startedAt: number): void {
    const durationMs = performance.now() - startedAt;
    this.#context.emit({ type: 'step', step, resumed, durationMs, ...subjectOf(this.#request, this.#claim) });
  }

  /** The store's clock, carried on by this process's monotonic one since the claim was sent: never behind. */
  #storeNow(): number {
    return this.#claim.now + (performance.now() - this.#askedAt);
  }
}
