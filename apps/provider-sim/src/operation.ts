import type { Answer } from './answer.ts';
import type { Book } from './book.ts';
import type { Params } from './form.ts';
import type { MakeId } from './ids.ts';
import type { Changes } from './objects.ts';

/** What an operation may look at. It changes nothing itself: it returns what shall be changed. */
export interface Call {
  readonly params: Params;
  readonly book: Book;
  readonly nowMs: number;
  readonly idempotencyKey: string | null;
  readonly makeId: MakeId;
}

export interface Done {
  readonly answer: Answer;
  readonly changes?: Changes;
}

/** @throws {Refused} for what is refused before it began, which is not kept under the idempotency key */
export type Operation = (call: Call, id: string) => Done;
