import { IntentConflictError } from '../errors.ts';
import { isLate } from '../journal/book.ts';
import { type Delivered, failed } from './call.ts';
import type { Core, Entry } from './core.ts';

/**
 * Writes an action down, or finds it written down: then it goes on under that key and with that age, once it's this
 * tab's turn. With a journal that answers at once it's sent in the tick of the call.
 *
 * @returns how it ended, where nothing is to be sent and the record isn't ours to change
 */
export async function claim(core: Core, entry: Entry): Promise<Delivered<never> | undefined> {
  const { clock, journal, tabs } = core;
  const { action, signal } = entry;
  let hasWaited = false;
  let hasCleared = false;
  for (;;) {
    // With the attempt that follows: that needn't be written down once more.
    const proposed = { ...entry.record('sending'), attempts: action.attempts + 1 };
    entry.proposed = proposed;
    const answer = await entry.ask(() => {
      const claimed = journal.claim(proposed);
      entry.claimed = tabs ? Promise.all([claimed, tabs.ready]).then(([found]) => found) : claimed;
      return entry.claimed;
    }, signal);
    if (answer.type !== 'value') {
      // Aborted, or it goes out unwritten: neither waits for a journal that hangs.
      if (answer.type === 'aborted' || core.durability !== 'required') return undefined;
      const error = new Error('journal_unavailable: nothing was sent', {
        cause: (answer as { error?: unknown }).error,
      });
      return failed(action, false, 'refused', error);
    }
    const found = answer.value;
    entry.isNew = found === proposed;
    if (entry.isNew) return undefined;
    const isOver = isLate(core, found);
    entry.isDone = found.state === 'completed';
    if (entry.isDone && isOver) {
      // What is done and over, is done: this is a new action.
      entry.isDone = false;
      if (hasCleared) return undefined;
      hasCleared = true;
      await entry.ask(() => journal.settle(found));
      continue;
    }
    action.key = found.key;
    const olderMs = Math.max(0, action.createdAt - found.createdAt);
    action.createdAt -= olderMs;
    action.madeAt -= olderMs;
    // Whoever wrote it down may have died between sending it and writing that down.
    action.attempts = Math.max(1, action.attempts, found.attempts);
    action.lost = true;
    if (action.intent !== undefined && found.fingerprint !== action.fingerprint) {
      return failed(action, false, 'refused', new IntentConflictError(found));
    }
    // The server may have forgotten it, and would do it again.
    if (isOver) return failed(action, true, 'key_expired');
    // Waited once, a lease that is over stays so: then a tab lives, but can't write, and the server sorts it out.
    if (!tabs?.isOthers(found) || (hasWaited && clock.now() > (found.leaseUntil ?? 0))) {
      return undefined;
    }
    const isTaken = await tabs.turn(found, journal, () => entry.write('sending'), signal, entry.tell);
    if (signal.aborted) {
      // It's this tab's already: others would wait for it.
      if (isTaken) void entry.write('unknown').then(() => tabs.tell(entry.name, action.key));
      return failed(action, true, 'aborted', signal.reason);
    }
    // Whoever was at it may have struck it out. Then it's written down again, under the same key: what became of that
    // is this call's outcome too.
    await entry.write('sending');
    hasWaited = true;
  }
}
