import type { OperationStatus } from '@semel/contract/v1/pure';
import { coreOf, type PendingOperation, type SemelClient } from '../client.ts';
import type { Core } from '../delivery/core.ts';
import { watchAccepted } from '../delivery/polling.ts';
import { awaiting, timeOf, within } from '../delivery/within.ts';
import { fingerprintOf } from '../intent/fingerprint.ts';
import { isLate } from '../journal/book.ts';
import { type JournalRecord, nameOf } from '../journal/journal.ts';
import type { Outcome, UnknownReason } from '../outcome.ts';
import { outcomeOf } from './outcome-of.ts';

/** What became of an action that an earlier page had left open. */
export interface Resumed {
  /** As it was found. */
  readonly record: JournalRecord;
  /** Without its input the `data` of a completed one isn't known: read the resource. */
  readonly outcome: Outcome<unknown>;
  /** What the server said, where it was asked for the status. */
  readonly status: OperationStatus | undefined;
}

/** The context that makes a call the resumption of a record; for plain requests the `intent` and `key` of `keyedFetch`. */
export type ResumeContext = { intent: string } | { idempotencyKey: { key: string; ageMs: number } };

export interface ResumeOptions {
  /** How many at a time; they begin in the order in which they were made. @default 1 */
  concurrency?: number;
  /** Ends it: what wasn't begun is left alone. */
  signal?: AbortSignal;
  /** Sends a record again; `undefined`: it can't. @default the client's procedure, for records with an input */
  send?: (record: JournalRecord, context: ResumeContext) => Promise<unknown> | undefined;
  /** Asks for the status. @default the client's `idempotency.status` */
  status?: (procedure: string, key: string) => Promise<unknown>;
  /** The stable name of a procedure, where it isn't its path. @default (path) => path */
  procedure?: (path: string) => string;
}

// biome-ignore lint/suspicious/noExplicitAny: a tRPC client of any router
type Client = any;

/**
 * Settles what an earlier page (or process) has left open: to be called when a page loads, after login. Waits for the
 * network; leaves alone what this page is working on; resolves when each has an outcome.
 *
 * A record with its input is sent again, under its key and with its age. Without one, and past the key's retention, nothing
 * is sent: the status is asked until it's settled, within the deadline of a call. What can't be found out is reported as
 * `unknown`, and stays for `semel.forget(record)`.
 *
 * @param client the tRPC client with this `semel`'s link
 * @throws what the application's own `scope` or journal throws when asked what there is
 *
 * @example
 * for (const { record, outcome } of await resume(semel, client)) console.log(record.intent, outcome.status);
 */
export async function resume(
  semel: SemelClient,
  client?: Client,
  options: ResumeOptions = {},
): Promise<Resumed[]> {
  const core = coreOf(semel);
  const { connectivity, clock } = core;
  const signal = options.signal ?? new AbortController().signal;
  const open = (await semel.pending()).filter(({ live }) => !live);
  const results: Resumed[] = [];
  const todo = open.entries();
  const worker = async () => {
    for (const [place, record] of todo) {
      while (!connectivity.online() && !signal.aborted) {
        await within<void>(clock, signal, Infinity, (back) => connectivity.onceOnline(() => back()));
      }
      if (signal.aborted) return;
      results[place] = { record, ...(await resumeOne(core, record, client, options, signal)) };
    }
  };
  await Promise.all(Array.from({ length: options.concurrency ?? 1 }, worker));
  return results.filter(Boolean);
}

async function resumeOne(
  core: Core,
  record: JournalRecord,
  client: Client,
  options: ResumeOptions,
  signal: AbortSignal,
): Promise<Omit<Resumed, 'record'>> {
  const { clock, journal, live, events, retry, inFlight, statusPath } = core;
  const { path, key, intent, input, fingerprint } = record;
  const procedureAt = (name: string) => name.split('.').reduce((at, part) => at?.[part], client);

  /** `undefined`: it can't be sent, for nobody has its input. */
  const sendAgain = async () => {
    const context: ResumeContext =
      intent === undefined ? { idempotencyKey: { key, ageMs: clock.now() - record.createdAt } } : { intent };
    // An input that its storage has changed isn't what the user had sent; a path with a space is a plain request's.
    const whole = input !== undefined && fingerprintOf(input) === fingerprint && !path.includes(' ');
    const { send = () => (whole ? procedureAt(path)?.mutate?.(input, { context, signal }) : undefined) } =
      options;
    let sent = true;
    const outcome = await outcomeOf(async () => {
      const answer = send(record, context);
      sent = answer !== undefined;
      return answer;
    });
    return sent ? outcome : undefined;
  };

  /** What the server says of it, once that is settled or the time of a call is up. */
  const askStatus = async () => {
    let status: OperationStatus | undefined;
    await watchAccepted(
      awaiting(() => {
        const procedure = options.procedure?.(path) ?? path;
        return options.status
          ? options.status(procedure, key)
          : procedureAt(statusPath).query({ procedure, key }, { signal });
      }),
      0,
      timeOf(core, signal, retry.deadlineMs),
      inFlight,
      (answer) => {
        status = answer as OperationStatus;
      },
    );
    return status;
  };

  const late = isLate(core, record);
  const outcome = late ? undefined : await sendAgain();
  if (outcome) return { outcome, status: undefined };
  const status = await askStatus();
  const state = status?.state;
  // What has ended is no longer open; an intent that is done stays, as one.
  if ((state === 'completed' || state === 'failed') && !live.has(nameOf(record))) {
    const { live: _, input: __, owner: ___, ...rest } = record as PendingOperation;
    try {
      if (state === 'completed' && intent !== undefined) await journal.update({ ...rest, state });
      else await journal.settle(record);
    } catch (error) {
      events.emit({ type: 'journal_error', path, key, intent, error });
    }
  }
  return { outcome: outcomeFrom(status, key, late, inFlight.capMs), status };
}

function outcomeFrom(
  status: OperationStatus | undefined,
  key: string,
  late: boolean,
  retryAfterMs: number,
): Outcome<unknown> {
  const state = status?.state;
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- of all other states nobody can say more
  switch (state) {
    case 'completed':
      return { status: state, data: undefined, replayed: true, key };
    case 'failed':
      return { status: 'rejected', error: (status as { outcome?: unknown }).outcome, key };
    case 'processing':
    case 'accepted':
      return { status: 'in_flight', retryAfterMs, key, cause: undefined };
    default: {
      const reason: UnknownReason = late ? 'key_expired' : state ? 'outcome_unknown' : 'network';
      return { status: 'unknown', reason, key, cause: undefined };
    }
  }
}
