import assert from 'node:assert/strict';
import type { ProblemCode } from '@semel/contract/v1/pure';
import type { Stage } from './stage.ts';
import type { Answer } from './transport.ts';

const shown = ({ status, text }: Answer) => `${status} ${text.slice(0, 300)}`;

/** It was done, or would have been: the answer is no error. */
export function assertDone(answer: Answer, what = 'the request'): void {
  assert.ok(answer.status >= 200 && answer.status < 400, `${what} is answered with ${shown(answer)}`);
}

/** Both answers are one: status, content type and body. JSON may be written in another order. */
export function assertSame(first: Answer, again: Answer, what = 'the repeated request'): void {
  assert.equal(
    again.status,
    first.status,
    `${what} is answered with ${shown(again)}, the first one with ${shown(first)}`,
  );
  assert.equal(
    again.headers.get('content-type'),
    first.headers.get('content-type'),
    `${what} has another content type`,
  );
  if (first.json !== undefined && again.json !== undefined) {
    assert.deepEqual(again.json, first.json, `${what} has another body`);
    return;
  }
  assert.ok(
    first.bytes.equals(again.bytes),
    `${what} has another body: ${again.bytes.length} bytes instead of ${first.bytes.length}`,
  );
}

/** It was refused with one of the statuses and, where the server speaks the contract, with one of the codes. */
export function assertRefused(
  stage: Stage,
  answer: Answer,
  statuses: number | readonly number[],
  codes?: ProblemCode | readonly ProblemCode[],
): void {
  const allowed = [statuses].flat();
  assert.ok(
    allowed.includes(answer.status),
    `answered with ${shown(answer)} instead of ${allowed.join(' or ')}`,
  );
  if (codes === undefined || !stage.has('wireProblems')) return;
  const code = stage.problem(answer)?.code;
  const named = [codes].flat() as string[];
  assert.ok(code !== undefined && named.includes(code), `the problem is ${code}, not ${named.join(' or ')}`);
}

export const assertMismatch = (stage: Stage, answer: Answer): void =>
  assertRefused(stage, answer, stage.target.mismatchStatus ?? 422, 'key_reused');

/** Retry-After in whole seconds, and not less than what the body says. */
export function assertRetryAfter(stage: Stage, answer: Answer): void {
  const header = answer.headers.get('retry-after');
  assert.match(header ?? '', /^\d+$/, `Retry-After is ${header}, not a number of seconds`);
  const exact = stage.problem(answer)?.retryAfterMs;
  if (exact !== undefined) assert.equal(Number(header), Math.ceil(exact / 1000), 'Retry-After is rounded up');
}

/** Marked as a replay, where the server marks them. */
export function assertReplayed(stage: Stage, first: Answer, again: Answer): void {
  assertDone(first);
  assertSame(first, again);
  if (!stage.has('replayMark')) return;
  assert.equal(again.headers.get('idempotency-replayed'), 'true', 'a replay is marked as one');
}
