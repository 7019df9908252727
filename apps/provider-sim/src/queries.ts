import { type Answer, noSuch } from './answer.ts';
import type { Book } from './book.ts';
import { amountOf, invalid } from './checks.ts';
import type { Params } from './form.ts';
import type { PaymentIntent } from './objects.ts';

// Reads. Unlike Stripe's, whose search lags by up to a minute, all of these see what was just written.

export const getIntent = (book: Book, id: string): Answer => one(book.intents.get(id), 'payment_intent', id);
export const getRefund = (book: Book, id: string): Answer => one(book.refunds.get(id), 'refund', id);
export const getPayout = (book: Book, id: string): Answer => one(book.payouts.get(id), 'payout', id);

const one = (found: object | undefined, kind: string, id: string): Answer =>
  found ? { status: 200, body: found } : noSuch(kind, id);

/** Newest first; `customer`, `limit` (1 to 100, 10 by default), `starting_after`. */
export function listIntents(book: Book, params: Params): Answer {
  const customer = params.get('customer');
  const all = newestFirst(book).filter((intent) => customer === undefined || intent.customer === customer);
  const after = params.get('starting_after');
  const from = after === undefined ? 0 : all.findIndex((intent) => intent.id === after) + 1;
  return list('/v1/payment_intents', all.slice(from), params, 'list');
}

/** Of Stripe's query language only `metadata['k']:'v'`, joined by AND. */
export function searchIntents(book: Book, params: Params): Answer {
  const wanted = (params.get('query') ?? '').split(/ and /i).map((clause) => {
    const found = /^\s*metadata\[(['"])(.+?)\1\]\s*:\s*(['"])(.*)\3\s*$/.exec(clause);
    return found
      ? { key: found[2] ?? '', value: found[4] ?? '' }
      : invalid('query', `Cannot parse: ${clause}`);
  });
  const all = newestFirst(book).filter((intent) =>
    wanted.every(({ key, value }) => intent.metadata[key] === value),
  );
  return list('/v1/payment_intents/search', all, params, 'search_result');
}

const newestFirst = (book: Book): PaymentIntent[] => [...book.intents.values()].reverse();

function list(url: string, all: readonly PaymentIntent[], params: Params, object: string): Answer {
  const limit = Math.min(amountOf(params, 'limit') ?? 10, 100);
  return { status: 200, body: { object, url, has_more: all.length > limit, data: all.slice(0, limit) } };
}
