import type { SemelEvent } from '../events.ts';
import type { Action } from '../intent/key.ts';
import { nameOf } from '../journal/journal.ts';
import type { Core, Entry } from './core.ts';
import { awaiting, within } from './within.ts';

/** @param operationId of an accepted operation that the call goes on with */
export function createEntry(core: Core, action: Action, signal: AbortSignal, operationId?: string): Entry {
  const { clock, retry } = core;
  const { path, intent } = action;
  const owner = core.owner();
  const entry: Entry = {
    action,
    signal,
    get name() {
      return nameOf({ ...owner, ...action });
    },
    attempts: 0,
    operationId,
    record(state) {
      const { key, fingerprint, createdAt, attempts, input } = action;
      return {
        ...owner,
        path,
        intent,
        key,
        fingerprint,
        createdAt,
        attempts,
        state,
        expiresAt: createdAt + core.retentionMs,
        // What is done is nobody's any more.
        ...(state !== 'completed' && {
          input,
          owner: core.tabs?.id,
          leaseUntil: clock.now() + retry.attemptTimeoutMs,
          operationId: entry.operationId,
        }),
      };
    },
    tell: (event) => core.events.emit({ ...event, path, key: action.key, intent } as SemelEvent),
    async ask(act, until) {
      // A journal that falls back to its memory has answered by then.
      let answer = await within(clock, until, Math.max(retry.attemptTimeoutMs, 2_000), awaiting(act));
      if (answer.type === 'timeout')
        answer = { type: 'error', error: new Error('the journal takes too long') };
      if (answer.type === 'error') entry.tell({ type: 'journal_error', error: answer.error });
      return answer;
    },
    write: (state) => entry.ask(() => core.journal.update(entry.record(state))),
  };
  return entry;
}
