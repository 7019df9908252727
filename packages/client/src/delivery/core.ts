import type { Clock } from '../clock.ts';
import type { Events, SemelEvent } from '../events.ts';
import type { Action, Actions } from '../intent/key.ts';
import type { Book } from '../journal/book.ts';
import type { JournalRecord } from '../journal/journal.ts';
import type { Policy } from '../options.ts';
import type { Connectivity } from '../presence/connectivity.ts';
import type { Tabs } from '../presence/presence.ts';
import type { Budget } from './budget.ts';
import type { Delivered } from './call.ts';
import type { Answer } from './within.ts';

/** What all calls of a client share. */
export interface Core extends Policy, Book {
  readonly clock: Clock;
  readonly random: () => number;
  readonly budget: Budget;
  readonly connectivity: Connectivity;
  readonly events: Events;
  readonly actions: Actions;
  readonly tabs: Tabs | undefined;
  /** By the name of the record. */
  readonly live: Map<string, Entry>;
  /** Notes on an action what is written down of its input. */
  describe(action: Action, input: unknown): Action;
}

/** An event, before the action's name is put to it. */
type Told<TEvent> = TEvent extends { key: string } ? Omit<TEvent, 'path' | 'key' | 'intent'> : never;

/** One call of an action: what is written down and told of it while it is under way. */
export interface Entry {
  readonly action: Action;
  readonly signal: AbortSignal;
  /** Of its record. */
  readonly name: string;
  /** How often this call has sent it. */
  attempts: number;
  /** Known from a 202 on. */
  operationId: string | undefined;
  /** What was proposed to the journal last, and what that says is there. */
  proposed?: JournalRecord;
  claimed?: Promise<JournalRecord>;
  /** An intent that is done is sent again for its answer. */
  isDone?: boolean;
  /** What comes of the call. */
  delivered?: Promise<Delivered<unknown>>;
  record(state: JournalRecord['state']): JournalRecord;
  tell(event: Told<SemelEvent>): void;
  /** Asks the journal for something. Never throws, and nobody waits for one that hangs: what goes wrong is told. */
  ask<T>(act: () => T | Promise<T>, until?: AbortSignal): Promise<Exclude<Answer<T>, { type: 'timeout' }>>;
  /** Notes how far it is. */
  write(state: JournalRecord['state']): Promise<unknown>;
}
