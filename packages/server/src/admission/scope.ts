/** The opt-out of scoping: every caller shares one set of keys, and anyone who guesses a key gets another's answer. */
export const DANGEROUSLY_SHARE_KEYS_BETWEEN_ALL_CALLERS = Symbol.for(
  'semel.dangerously-share-keys-between-all-callers',
);

/** A part of a principal's scope, within which its keys are told apart further. Length-prefixed: no two look alike. */
export const narrowedScope = (principal: string, by: string): string =>
  `${principal.length}:${principal}/${by}`;

/**
 * Whether a record is this principal's own, narrowed or not. Principals may choose their own names: one that is called
 * `3:bob/x`, which is what bob's scope looks like where a policy narrows it to `x`, can't be told from it here, and is
 * shown neither. Nor is one whose name no database can hold.
 */
export function isWithin(recorded: string, principal: string): boolean {
  return recorded === principal
    ? !looksNarrowed(principal) && principal.isWellFormed()
    : recorded.startsWith(narrowedScope(principal, ''));
}

/** Whether a principal has a name that another's narrowed scope could have. */
export function looksNarrowed(principal: string): boolean {
  const length = /^(\d+):/.exec(principal);
  return length !== null && principal[length[0].length + Number(length[1])] === '/';
}
