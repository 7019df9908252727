import { createEvents, type Events, type SemelEvent } from '../events.ts';
import { type Action, type Actions, createActions } from '../intent/key.ts';
import type { JournalRecord } from '../journal/journal.ts';
import { type SemelClientOptions, type Settings, settingsFrom } from '../options.ts';
import { type Budget, createBudget } from './budget.ts';
import type { Delivered } from './call.ts';
import type { Answer } from './within.ts';

/** What all calls of a client share. */
export interface Core extends Settings {
  readonly budget: Budget;
  readonly events: Events;
  readonly actions: Actions;
  /** By the name of the record. */
  readonly live: Map<string, Entry>;
}

export function createCore(options: SemelClientOptions): Core {
  const settings = settingsFrom(options);
  const { retry, random, clock } = settings;
  const events = createEvents(options.onEvent);
  return {
    ...settings,
    events,
    budget: createBudget(retry.budget, random, clock),
    actions: createActions(settings, events.warn, !!options.journal),
    live: new Map(),
  };
}

/** An event, before the action's name is put to it. */
type Told<TEvent> = TEvent extends { key: string } ? Omit<TEvent, 'path' | 'key' | 'intent'> : never;

/** One call of an action: what is written down and told of it while it is under way. */
export interface Entry {
  readonly action: Action;
  readonly signal: AbortSignal;
  /** Of its record. */
  name: string;
  /** How often this call has sent it. */
  attempts: number;
  /** Known from a 202 on. */
  operationId: string | undefined;
  /** What was proposed to the journal last, and what that says is there. */
  proposed?: JournalRecord;
  claimed?: JournalRecord | Promise<JournalRecord>;
  /** This call has written it down. */
  isNew?: boolean;
  /** An intent that is done is sent again for its answer. */
  isDone?: boolean;
  /** What comes of the call. */
  delivered?: Promise<Delivered<unknown>>;
  record(state: JournalRecord['state']): JournalRecord;
  tell(event: Told<SemelEvent>): void;
  /** Asks the journal for something. Never throws, and nobody waits for one that hangs: what goes wrong is told. */
  ask<T>(act: () => T | Promise<T>, until?: AbortSignal): Promise<Answer<T>>;
  /** Notes how far it is. */
  write(state: JournalRecord['state']): Promise<unknown>;
}
