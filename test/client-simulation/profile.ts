/**
 * What a run is about, beside what all of them have: tabs that share a storage and come and go, a network that breaks and
 * is away, servers that die, clocks that are set. One seed means another run in each.
 *
 * - `link`: tRPC over `httpBatchLink`.
 * - `stream`: many calls in one tick, over `httpBatchStreamLink`: a part of an answer arrives, and the rest doesn't.
 * - `queued`: procedures that answer 202 and are done by workers, which die; the client polls to the end.
 * - `fetch`: `keyedFetch` against the HTTP adapter; in front of some, a gateway lets nothing of the contract through.
 * - `nights`: machines sleep longer than keys live, and users log out. Nothing excuses a second effect.
 */
export const PROFILES = ['link', 'stream', 'queued', 'fetch', 'nights'] as const;
export type Profile = (typeof PROFILES)[number];

/** What part of all seeds each gets. */
export const SHARES: Readonly<Record<Profile, number>> = {
  link: 0.4,
  stream: 0.05,
  queued: 0.1,
  fetch: 0.25,
  nights: 0.2,
};
