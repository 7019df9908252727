import { IntentConflictError } from '../errors.ts';
import type { Action } from '../intent/key.ts';
import { recordsOf } from '../journal/book.ts';
import { type JournalRecord, nameOf } from '../journal/journal.ts';
import { type Call, type Delivered, failed } from './call.ts';
import { claim } from './claim.ts';
import type { Core, Entry } from './core.ts';
import { deliver } from './deliver.ts';
import { createEntry } from './entry.ts';
import { awaiting, within } from './within.ts';

/**
 * One call, from claim to settlement. With an intent that this page is at already it waits for that and gets the same
 * answer, unless the other call was given up by its caller: then it goes on itself.
 *
 * @param resumed begin with this 202: wait for its operation
 * @param isBack a page brings the call back after a reload (a persisted mutation): it gets the key of the action that an
 * earlier page left open, if there is one for the same procedure with an equal input
 */
export async function send<T>(
  core: Core,
  action: Action,
  call: Call<T>,
  signal: AbortSignal,
  resumed?: T,
  isBack?: unknown,
): Promise<Delivered<T>> {
  const { clock, live } = core;
  const { path, intent, fingerprint } = action;
  const entry = createEntry(core, action, signal, resumed && call.accepted(resumed)?.operationId);
  // Where inputs aren't told apart, no record is known to be this one's.
  if (isBack && fingerprint !== undefined) {
    const answer = await entry.ask(() => recordsOf(core), signal);
    const { value = [] } = answer as { value?: JournalRecord[] };
    const left = value.find(
      (record) =>
        record.path === path &&
        record.fingerprint === fingerprint &&
        record.intent === undefined &&
        !live.has(nameOf(record)),
    );
    // From here on in the same breath, so that an equal mutation takes the next one.
    if (left) action.key = left.key;
  }
  const name = nameOf(entry.record('sending'));
  entry.name = name;
  for (;;) {
    const other = intent === undefined ? undefined : live.get(name);
    if (!other) break;
    if (other.action.fingerprint !== fingerprint) {
      return failed(other.action, false, 'refused', new IntentConflictError(other.record('sending')));
    }
    action.key = other.action.key;
    entry.tell({ type: 'joined', by: 'page' });
    const answer = await within(
      clock,
      signal,
      Infinity,
      awaiting(() => other.delivered),
    );
    if (answer.type === 'value' && !other.signal.aborted) return answer.value as Delivered<T>;
    if (signal.aborted) return failed(other.action, true, 'aborted', signal.reason);
  }
  entry.delivered = run(core, entry, call, resumed);
  live.set(name, entry);
  try {
    return (await entry.delivered) as Delivered<T>;
  } finally {
    if (live.get(name) === entry) live.delete(name);
  }
}

/**
 * One user action: written down, delivered, and struck out once its outcome is known (an intent that is done stays, so
 * that a later click finds its key).
 */
async function run<T>(
  core: Core,
  entry: Entry,
  call: Call<T>,
  resumed: T | undefined,
): Promise<Delivered<T>> {
  const { clock, journal, tabs } = core;
  const { action, signal, record } = entry;
  const { intent } = action;
  const start = clock.monotonic();
  const wait = async (value: T) => (await send(core, action, call, signal, value)).outcome;
  const early = await claim(core, entry);
  const delivered = early ?? (await deliver(core, entry, call, resumed, wait));
  const { outcome } = delivered;
  const { status } = outcome;
  // A problem with the key itself is no reason to take another one.
  const { problem: keyProblem } = outcome as { problem?: unknown };
  action.lost = status !== 'completed' && status !== 'rejected';
  const isKept = action.lost || (keyProblem && intent !== undefined);
  const settle = () => journal.settle(record('sending'));
  const close = () => {
    // Handed out, it's nobody's: no other tab is to wait for one that has stopped asking.
    if (isKept)
      return entry.isDone
        ? undefined
        : journal.update({ ...record(status === 'accepted' ? status : 'unknown'), owner: undefined });
    if (status === 'completed' && intent !== undefined) return journal.update(record(status));
    return signal.aborted ? closeAborted() : settle();
  };
  const closeAborted = async () => {
    // Given up before the journal had answered, it may be somebody else's; and an intent's record that isn't sent yet
    // may have been found by another tab: its key has to stay.
    if ((await entry.claimed) !== entry.proposed) return;
    // Without its input: what its user gave up isn't sent again by a page that loads.
    await (intent === undefined ? settle() : journal.update({ ...record('unknown'), input: undefined }));
  };
  if (!early) {
    // Those who wait for it are told when it's there to be read.
    void entry.ask(close).then(() => tabs?.tell(entry.name, action.key));
    if (!isKept && !keyProblem) core.actions.end(action);
  }
  entry.tell({ type: 'settled', status, attempts: entry.attempts, elapsedMs: clock.monotonic() - start });
  return delivered;
}
