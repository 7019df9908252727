import { childKey } from '@semel/contract/v1/pure';
import { OperationMisuse } from './failure.ts';
import type { Operation } from './operation.ts';
import { Refusal } from './refusal.ts';
import type { RunRequest } from './request.ts';

const onlyLeased = (what: string) => (): never => {
  throw new OperationMisuse(
    `operation.${what} belongs to mode 'leased'. In atomic mode write through operation.tx and return the output; for effects outside the database set mode: 'leased'.`,
  );
};
const step = onlyLeased('step');
const transaction = onlyLeased('transaction');
const settle = onlyLeased('settle');
const progress = onlyLeased('progress');
const refuse = (error: unknown): Refusal => new Refusal(error);

/** The handler's side of an atomic attempt. Everything but the signal is its own, so that a nested call's can be made of it. */
export class AtomicOperation<Tx> implements Operation<Tx> {
  readonly mode = 'atomic';
  readonly id: string;
  readonly attempt: number;
  readonly scope: string;
  readonly procedure: string;
  readonly key: string;
  readonly tx: Tx;
  // Shared by all: a handler's call makes no functions that it won't use.
  readonly step = step;
  readonly transaction = transaction;
  readonly settle = settle;
  readonly progress = progress;
  readonly refuse = refuse;
  readonly #limit: RunLimit;

  constructor(
    { scope, procedure, key }: RunRequest,
    tx: Tx,
    { id, attempt }: { readonly id: string; readonly attempt: number },
    limit: RunLimit,
  ) {
    this.id = id;
    this.attempt = attempt;
    this.scope = scope;
    this.procedure = procedure;
    this.key = key;
    this.tx = tx;
    this.#limit = limit;
  }

  get signal(): AbortSignal {
    return this.#limit.signal;
  }

  readonly childKey = (name: string): string => {
    const { scope, procedure, key } = this;
    return childKey({ scope, procedure, key, step: name });
  };
}

/**
 * How long one run of a handler may take, from now on, as a signal. Few handlers ask for it, and with its timer it is a tenth of
 * what an atomic call costs in this process: both are made when it is asked for.
 */
export class RunLimit {
  readonly #maxRunMs: number;
  readonly #until: number;
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(maxRunMs: number) {
    this.#maxRunMs = maxRunMs;
    this.#until = performance.now() + maxRunMs;
  }

  get signal(): AbortSignal {
    this.#controller ??= this.#start();
    return this.#controller.signal;
  }

  /** The handler has ended: nothing aborts any more. */
  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  #start(): AbortController {
    const controller = new AbortController();
    const abort = (): void => controller.abort(new Error(`The handler ran longer than ${this.#maxRunMs} ms`));
    const leftMs = this.#until - performance.now();
    if (leftMs <= 0) abort();
    else if (!this.#ended) this.#timer = setTimeout(abort, leftMs);
    return controller;
  }
}
