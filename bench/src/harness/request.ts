import type { ThingInput } from '../things.ts';

/** Where a variant is asked over HTTP: each road has a bare handler of its own to compare with. */
export type Road = 'trpc' | 'plain' | 'express';

const PATHS: Record<Road, string> = { trpc: '/trpc/create', plain: '/things', express: '/things' };

/** One keyed request as it goes over the wire. */
export function requestText(road: Road, key: string, input: ThingInput): string {
  const body = JSON.stringify(input);
  return `POST ${PATHS[road]} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nIdempotency-Key: ${key}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

/** As long as a UUID. The same key always comes with the same input. */
export const keyOf = (prefix: string, n: number): string =>
  `${prefix}-${String(n).padStart(34 - prefix.length, '0')}`;

export const inputOf = (key: string): ThingInput => ({ reference: key, amount: 4200 });
