import type { Services } from '../peers/peer.ts';
import type { Round } from './round.ts';

/** What goes between the bench and a server process. */
export interface ServerOptions {
  readonly variant: string;
  readonly services: Omit<Services, 'armed'> & { readonly armed?: true };
}

export type Order = { readonly id: number } & (
  | { readonly do: 'cpu' }
  | ({ readonly do: 'drive' } & Drive)
  | { readonly do: 'close' }
);

/** Calls in process, with keys counted up from `from`. */
export interface Drive {
  readonly callers: number;
  readonly ms: number;
  readonly prefix: string;
  readonly from: number;
  /** Goes round among so many keys. @default every key is new */
  readonly among?: number;
}

export interface Driven {
  readonly round: Round;
  readonly next: number;
}

export type Report =
  | { readonly url: string; readonly canCall: boolean }
  | { readonly reached: string }
  | { readonly done: number; readonly result?: unknown; readonly error?: string };
