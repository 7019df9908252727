import { z } from 'zod';
import { type Answer, refusal } from './answer.ts';

/** A keyed request, by the time its key was found to be good. */
export interface Call {
  readonly body: unknown;
  /** The variable part of the path. */
  readonly id: string;
  readonly idempotencyKey: string;
  readonly nowMs: number;
}

/** What a request comes to. The change is applied and written down together with the remembered answer, or not at all. */
export interface Done<Change> {
  readonly answer: Answer;
  readonly change?: Change;
  /** Not kept under the key: the request was refused for what it is, before anything was decided. */
  readonly forget?: true;
}

/** What a service is about; everything around it (keys, journal, faults) is the same for all. */
export interface Domain<Change> {
  readonly name: 'billing' | 'roster';
  /** `POST`, keyed. Synchronous: no second request can come between looking and deciding. */
  readonly writes: readonly (readonly [path: RegExp, write: (call: Call) => Done<Change>])[];
  /** `GET /_sim/…`: what really happened. */
  readonly counts: Readonly<Record<string, (query: URLSearchParams) => readonly object[]>>;
  /** `PUT /_sim/…`: how things are to be here. @throws {z.ZodError} */
  readonly settings: Readonly<Record<string, (body: unknown) => Change>>;
  apply(change: Change): void;
}

/** Calls `run` with a body that fits, and answers 400 to one that doesn't. */
export const checked =
  <Body, Change>(schema: z.ZodType<Body>, run: (body: Body, call: Call) => Done<Change>) =>
  (call: Call): Done<Change> => {
    const parsed = schema.safeParse(call.body);
    if (parsed.success) return run(parsed.data, call);
    return { answer: refusal(400, 'invalid_request', z.prettifyError(parsed.error)), forget: true };
  };

/** Rows whose members equal what the query names; names that rows don't have match nothing. */
export const matching = <Row extends object>(rows: Iterable<Row>, query: URLSearchParams): Row[] =>
  [...rows].filter((row) =>
    [...query].every(([name, value]) => String((row as Record<string, unknown>)[name]) === value),
  );
