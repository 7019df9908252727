import { createHash } from 'node:crypto';
import { type Answer, errorAnswer, Refused } from './answer.ts';
import { type Book, createBook } from './book.ts';
import { type CustomerSettings, type Delivery, deliveryFor, failuresOf } from './customers.ts';
import type { FaultSwitch } from './faults.ts';
import { canonicalFromParams, type Params } from './form.ts';
import { createIdempotencyStore, type Remembered } from './idempotency.ts';
import { createIds } from './ids.ts';
import { type Journal, openJournal } from './journal.ts';
import type { Changes } from './objects.ts';
import type { Done, Operation } from './operation.ts';
import { findRead, findWrite, unknownRoute } from './routes.ts';

export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  /** Of the query for GET, of the body for POST. */
  readonly params: Params;
  /** `undefined` if the request carries none. */
  readonly apiKey: string | undefined;
  readonly idempotencyKey: string | null;
  readonly requestId: string;
}

export interface Reply {
  readonly answer: Answer;
  readonly delivery: Delivery;
  readonly customer: string | null;
  /** To be called when the answer leaves, or is lost: until then the idempotency key is in use. */
  readonly left: () => void;
}

export interface StripeApi {
  /** For reading; see `settled`. */
  readonly book: Book;
  handle(request: ApiRequest): Promise<Reply>;
  /** Resolves when everything in the book is on disk: what is shown after that can't be taken back by a crash. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** A line of the data file. Effect and remembered result are one line: a crash can't separate them. */
type Entry =
  | { readonly kind: 'effect'; readonly changes: Changes; readonly result?: Remembered }
  | { readonly kind: 'counted'; readonly what: Counted; readonly scopedKey: string };
type Counted = 'lost' | 'failed';

export interface StripeApiOptions extends CustomerSettings {
  readonly dataFile: string | undefined;
  readonly seed: string | undefined;
  readonly now: () => number;
  readonly faults: FaultSwitch;
}

export async function createStripeApi(options: StripeApiOptions): Promise<StripeApi> {
  const { faults, now } = options;
  const journal: Journal<Entry> = await openJournal<Entry>(options.dataFile);
  const book = createBook();
  const store = createIdempotencyStore();
  const counts = { lost: new Map<string, number>(), failed: new Map<string, number>() };
  const makeId = createIds(options.seed, journal.entries.length);

  const apply = (entry: Entry): void => {
    if (entry.kind === 'effect') {
      book.apply(entry.changes);
      if (entry.result) store.remember(entry.result);
    } else {
      counts[entry.what].set(entry.scopedKey, countOf(entry.what, entry.scopedKey) + 1);
    }
  };
  const countOf = (what: Counted, scopedKey: string) => counts[what].get(scopedKey) ?? 0;
  /** At once in memory, so that two requests can't both act on the same state; answered when it's on disk. */
  const commit = (entry: Entry): Promise<void> => {
    apply(entry);
    return journal.append(entry);
  };
  for (const entry of journal.entries) apply(entry);

  const plan = async (customer: string | null, isReplay: boolean, scopedKey: string): Promise<Delivery> => {
    const lost = countOf('lost', scopedKey);
    const delivery = deliveryFor({ customer, isReplay, lost }, options);
    if (delivery.kind === 'never') return delivery;
    if (delivery.kind === 'lose') await commit({ kind: 'counted', what: 'lost', scopedKey });
    const afterMs = delivery.afterMs + faults.delayMs();
    const loss = delivery.kind === 'send' ? faults.takeLoss() : undefined;
    if (!loss) return { ...delivery, afterMs };
    return { kind: 'lose', how: loss === 'default' ? options.loseHow : loss, afterMs };
  };

  const write = async (request: ApiRequest, operation: Operation, id: string): Promise<Reply> => {
    const { params, path, idempotencyKey, requestId } = request;
    const nowMs = now();
    const fingerprint = sha256(canonicalFromParams(params));
    // Without a key a repetition is recognised by nothing; only the counts of faults need some name for it.
    const scopedKey = `${sha256(request.apiKey ?? '').slice(0, 16)}:${idempotencyKey ?? `none:${fingerprint}`}`;
    const admission = idempotencyKey
      ? store.enter({ scopedKey, key: idempotencyKey, path, fingerprint, nowMs })
      : ({ kind: 'begin' } as const);
    if (admission.kind === 'refuse') return plain(admission.answer);
    if (admission.kind === 'replay') {
      const delivery = await plan(admission.customer, true, scopedKey);
      return { ...admission, delivery, left: () => {} };
    }
    const left = () => store.leave(scopedKey);
    try {
      const customer =
        params.get('customer') ??
        likeCustomer(params.get('destination')) ??
        customerOf(book, id || params.get('payment_intent'));
      if (countOf('failed', scopedKey) < failuresOf(customer)) {
        await commit({ kind: 'counted', what: 'failed', scopedKey });
        left();
        return plain(failure(500), customer);
      }
      const { done, isKept } = attempt(() => operation({ params, book, nowMs, idempotencyKey, makeId }, id));
      const { answer, changes = {} } = done;
      const result: Remembered | undefined =
        idempotencyKey && isKept
          ? { scopedKey, path, fingerprint, atMs: nowMs, ...answer, requestId, customer }
          : undefined;
      if (isKept) await commit({ kind: 'effect', changes, ...(result && { result }) });
      const delivery = await plan(customer, false, scopedKey);
      return { answer, delivery, customer, left };
    } catch (error) {
      left();
      throw error;
    }
  };

  return {
    book,
    settled: () => journal.flushed(),
    close: () => journal.close(),
    async handle(request) {
      const { method, path, params, idempotencyKey } = request;
      if (!request.apiKey) return plain(UNAUTHENTICATED);
      if ((idempotencyKey?.length ?? 0) > 255) return plain(KEY_TOO_LONG);
      const status = faults.takeFailure(method);
      if (status !== undefined) return plain(failure(status));
      const found = method === 'POST' ? findWrite(path) : undefined;
      if (found) return write(request, found.target, found.id);
      const read = method === 'GET' ? findRead(path) : undefined;
      if (!read) return plain(unknownRoute(method, path));
      const { done } = attempt(() => ({ answer: read.target(book, params, read.id) }));
      await journal.flushed();
      return { ...plain(done.answer), delivery: { kind: 'send', afterMs: faults.delayMs() } };
    },
  };
}

function attempt(run: () => Done): { readonly done: Done; readonly isKept: boolean } {
  try {
    return { done: run(), isKept: true };
  } catch (error) {
    if (error instanceof Refused) return { done: { answer: error.answer }, isKept: error.isKept };
    throw error;
  }
}

const plain = (answer: Answer, customer: string | null = null): Reply => ({
  answer,
  delivery: { kind: 'send', afterMs: 0 },
  customer,
  left: () => {},
});

/** A capture or refund behaves as the customer of its intent does. */
const customerOf = (book: Book, intentId: string | undefined): string | null =>
  book.intents.get(intentId ?? '')?.customer ?? null;

/** Test accounts have the names of the customers that they behave like. */
const likeCustomer = (destination: string | undefined): string | undefined =>
  destination?.replace(/^ba_/, 'cus_');

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const failure = (status: number): Answer =>
  errorAnswer(status, 'api_error', 'The simulator was told to fail here. Nothing has happened.');

const UNAUTHENTICATED = errorAnswer(
  401,
  'invalid_request_error',
  'You did not provide an API key. Provide it in the Authorization header, using Bearer auth.',
);

const KEY_TOO_LONG = errorAnswer(
  400,
  'idempotency_error',
  'Idempotency keys can be up to 255 characters long.',
);
