import { createProblem, HEADER } from '@semel/contract/v1/pure';
import type { RunResult } from '../../engine/request.ts';
import { snapshotOf } from './codecs.ts';
import { NO_STORE, type ProblemResponseInit, problemResponse } from './problem.ts';
import type { Snapshot } from './snapshot.ts';

export interface AnswerOptions extends Pick<ProblemResponseInit, 'accept' | 'docs'> {
  readonly replay: ReadonlySet<string>;
  readonly mismatchStatus: 422 | 409;
}

/** What became of a keyed request, as its answer. */
export function answerFrom(result: RunResult, options: AnswerOptions): Response {
  if (result.kind === 'refused') {
    const { code } = result.problem;
    return problemResponse(result.problem, {
      ...options,
      status: code === 'key_reused' ? options.mismatchStatus : undefined,
    });
  }
  if (result.kind === 'accepted') throw new Error('A plain route has no queued mode');
  const { replayed, operationId } = result;
  const snapshot = snapshotOf(result.kind === 'completed' ? result.value : result.error.shape);
  if (replayed && snapshot.stream !== undefined) {
    return problemResponse(createProblem('outcome_gone', { operationId }), options);
  }
  const headers = headersOf(snapshot, (name) =>
    replayed ? options.replay.has(name) : !OF_CONNECTION.has(name),
  );
  for (const name of OURS) headers.delete(name);
  headers.set(HEADER.operation, operationId);
  headers.set('Cache-Control', NO_STORE);
  if (replayed) headers.set(HEADER.replayed, 'true');
  if (snapshot.body !== undefined) headers.set('Content-Length', String(snapshot.body.length));
  return new Response(snapshot.body ?? snapshot.stream ?? null, { status: snapshot.status, headers });
}

/** A handler's answer of which nothing was stored, on its way to its caller. */
export function passedOn(response: Response): Response {
  const headers = new Headers(response.headers);
  for (const name of OURS) headers.delete(name);
  headers.set('Cache-Control', NO_STORE);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

/** What these say is said of this operation, and not of one that the handler has passed the answer of. */
const OURS: readonly string[] = [HEADER.operation, HEADER.replayed];

/** Whoever sends the answer says these, of the bytes and the connection that it uses. */
const OF_CONNECTION: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);

function headersOf(snapshot: Snapshot, wanted: (name: string) => boolean): Headers {
  const headers = new Headers();
  for (const [name, value] of snapshot.headers) if (wanted(name.toLowerCase())) headers.append(name, value);
  return headers;
}
