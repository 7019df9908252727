import type { SemelEvent } from '../events.ts';
import type { Action } from '../intent/key.ts';
import { ownerOf } from '../journal/book.ts';
import type { Core, Entry } from './core.ts';
import { awaiting, within } from './within.ts';

/** @param operationId of an accepted operation that the call goes on with */
export function createEntry(core: Core, action: Action, signal: AbortSignal, operationId?: string): Entry {
  const { clock, retry } = core;
  const { path, intent, fingerprint, input } = action;
  const owner = ownerOf(core);
  const entry: Entry = {
    action,
    signal,
    name: '',
    attempts: 0,
    operationId,
    record(state) {
      const { key, createdAt, attempts } = action;
      const expiresAt = createdAt + core.retentionMs;
      const record = { ...owner, path, intent, fingerprint, key, createdAt, attempts, state, expiresAt };
      // What is done is nobody's any more.
      return state === 'completed'
        ? record
        : {
            ...record,
            input,
            owner: core.tabs?.id,
            leaseUntil: clock.now() + retry.attemptTimeoutMs,
            operationId: entry.operationId,
          };
    },
    tell: (event) => core.events.emit({ ...event, path, key: action.key, intent } as SemelEvent),
    async ask(act, until) {
      // A journal that falls back to its memory has answered by then.
      const answer = await within(clock, until, Math.max(retry.attemptTimeoutMs, 2_000), awaiting(act));
      if (answer.type === 'timeout' || answer.type === 'error') {
        const { error = new Error('the journal takes too long') } = answer as { error?: unknown };
        entry.tell({ type: 'journal_error', error });
      }
      return answer;
    },
    write: (state) => entry.ask(() => core.journal.update(entry.record(state))),
  };
  return entry;
}
