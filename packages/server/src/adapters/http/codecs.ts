import { type DescribedError, type FailureCodec, statusSaidBy } from '../../engine/failure.ts';
import { createOutcomeCodec, type OutcomeCodec, tombstone } from '../../engine/outcome.ts';
import { plainProblem } from './problem.ts';
import { capture, isResponse, type Snapshot, snapshotFrom, storedFrom } from './snapshot.ts';

/** An answer that says no, as an error: the engine judges it by its status, as it judges what a handler throws. */
export class ErrorAnswer extends Error {
  override readonly name = 'ErrorAnswer';
  readonly response: Response;
  constructor(response: Response) {
    super(`The handler answered ${response.status}`);
    this.response = response;
  }
}

/** How a response stands for a value while the engine passes it on: `settle` gives it back to the handler. */
const snapshots = new WeakMap<object, Snapshot>();

export async function outputFrom(response: Response, maxBytes: number): Promise<Response> {
  const snapshot = await capture(response, maxBytes);
  const again = new Response(snapshot.body ?? null, { status: snapshot.status, headers: response.headers });
  snapshots.set(again, snapshot);
  return again;
}

/** What the engine answers with: a response that was just captured, or a stored one. */
export const snapshotOf = (value: unknown): Snapshot => snapshots.get(value as object) ?? (value as Snapshot);

/** Answers to text and back. Only what the allow-list names is stored of the headers, so no secret lies there. */
export function answerCodec(replay: ReadonlySet<string>): OutcomeCodec {
  const values = createOutcomeCodec();
  return {
    ...values,
    fromValue(value, maxBytes) {
      const snapshot = snapshotOf(value);
      if (snapshot.stream !== undefined) return tombstone(true, 'too_large');
      return values.fromValue(storedFrom(snapshot, replay), maxBytes);
    },
    fromError(error, maxBytes) {
      const snapshot = error.shape as Snapshot;
      if (snapshot.stream !== undefined) return tombstone(false, 'too_large');
      return values.fromError({ ...error, shape: storedFrom(snapshot, replay) }, maxBytes);
    },
    toOutcome(text) {
      const outcome = values.toOutcome(text);
      if (outcome.kind === 'gone') return outcome;
      const snapshot = snapshotFrom(outcome.kind === 'completed' ? outcome.value : outcome.error.shape);
      if (snapshot === undefined) return { kind: 'gone' };
      return outcome.kind === 'completed'
        ? { kind: 'completed', value: snapshot }
        : { kind: 'failed', error: { ...outcome.error, shape: snapshot } };
    },
  };
}

/** The application's own rendering of an error that its handler threw. */
export type RenderError = (error: unknown) => Response | undefined | Promise<Response | undefined>;

export function failureCodec(render: RenderError | undefined, maxBytes: number): FailureCodec {
  return {
    statusOf,
    async describe(error): Promise<DescribedError> {
      const response = await rendered(error, render);
      const shape = await capture(response, maxBytes);
      const { code } = (error ?? {}) as { code?: unknown };
      return {
        httpStatus: shape.status,
        code: typeof code === 'string' ? code : `HTTP_${shape.status}`,
        message: error instanceof Error ? error.message : `HTTP ${shape.status}`,
        shape,
      };
    },
  };
}

const statusOf = (error: unknown): number | undefined =>
  error instanceof ErrorAnswer ? error.response.status : statusSaidBy(error);

async function rendered(error: unknown, render: RenderError | undefined): Promise<Response> {
  if (error instanceof ErrorAnswer) return error.response;
  if (isResponse(error)) return error;
  try {
    const own = await render?.(error);
    if (own !== undefined) return own;
    const { getResponse } = (error ?? {}) as { getResponse?: unknown };
    const response: unknown = typeof getResponse === 'function' ? getResponse.call(error) : undefined;
    if (isResponse(response)) return response;
  } catch {
    // A rendering that fails must not keep a final answer from being stored.
  }
  const status = statusOf(error) ?? 422;
  // Of what is the server's own fault nothing is told.
  const told = status < 500 && error instanceof Error ? error.message : 'The operation failed, for good.';
  return plainProblem(status, 'The operation was refused', told);
}
