import type { ThingInput } from '../things.ts';

export interface Services {
  /** A database of the peer's own; tables are made in it. */
  readonly postgres: string;
  readonly redis?: string;
  /** How long a lock or lease is good for. @default what the peer's documentation has */
  readonly lockMs?: number;
  /** Requests in flight beyond which a server of ours answers 503 at once. @default no limit */
  readonly maxInFlight?: number;
  /** What a handler awaits after an effect whose input says `crash`. @default goes on */
  readonly armed?: (input: ThingInput) => Promise<never>;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface Running {
  /** Serves `POST /things`, `GET /effects?reference=`, and `POST /trpc/create` where the peer has that road. */
  readonly url: string;
  /** The same without HTTP, where the peer can be used so. */
  readonly call?: (key: string, input: ThingInput) => Promise<Answer>;
  close(): Promise<void>;
}

/** One way of making requests idempotent (or not), wrapped around the same handler. */
export interface Peer {
  readonly name: string;
  /** Of the published package, as it is installed. */
  readonly version: string;
  /** What it says it does about repetition, and where it keeps its records. */
  readonly promises: string;
  /** How it is set up here, where that is not its documentation's default. */
  readonly configuration: string;
  /** Its records survive the end of every process and a power cut. */
  readonly durable: boolean;
  listen(services: Services): Promise<Running>;
}
