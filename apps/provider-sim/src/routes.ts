import { type Answer, errorAnswer } from './answer.ts';
import type { Book } from './book.ts';
import type { Params } from './form.ts';
import type { Operation } from './operation.ts';
import { cancelIntent, captureIntent, confirmIntent, createIntent } from './payment-intents.ts';
import { createPayout } from './payouts.ts';
import { getIntent, getPayout, getRefund, listIntents, searchIntents } from './queries.ts';
import { createRefund } from './refunds.ts';

type Query = (book: Book, params: Params, id: string) => Answer;

const WRITES: readonly (readonly [RegExp, Operation])[] = [
  [/^\/v1\/payment_intents$/, createIntent],
  [/^\/v1\/payment_intents\/([^/]+)\/confirm$/, confirmIntent],
  [/^\/v1\/payment_intents\/([^/]+)\/capture$/, captureIntent],
  [/^\/v1\/payment_intents\/([^/]+)\/cancel$/, cancelIntent],
  [/^\/v1\/refunds$/, createRefund],
  [/^\/v1\/payouts$/, createPayout],
];

const READS: readonly (readonly [RegExp, Query])[] = [
  [/^\/v1\/payment_intents$/, listIntents],
  [/^\/v1\/payment_intents\/search$/, searchIntents],
  [/^\/v1\/payment_intents\/([^/]+)$/, (book, _, id) => getIntent(book, id)],
  [/^\/v1\/refunds\/([^/]+)$/, (book, _, id) => getRefund(book, id)],
  [/^\/v1\/payouts\/([^/]+)$/, (book, _, id) => getPayout(book, id)],
];

export const findWrite = (path: string) => find(WRITES, path);
export const findRead = (path: string) => find(READS, path);

function find<Target>(routes: readonly (readonly [RegExp, Target])[], path: string) {
  for (const [pattern, target] of routes) {
    const match = pattern.exec(path);
    if (match) return { target, id: match[1] ?? '' };
  }
  return undefined;
}

export const unknownRoute = (method: string, path: string): Answer =>
  errorAnswer(404, 'invalid_request_error', `Unrecognized request URL (${method}: ${path}).`);
