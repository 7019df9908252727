import { userInfo } from 'node:os';
import type { DecidedBy } from '@semel/server';
import { wholeNumber } from '../arguments.ts';
import { CommandError } from '../command.ts';

/** What every action takes that changes something. */
export const DECIDING_OPTIONS = { reason: { type: 'string' }, as: { type: 'string' } } as const;

export const DECIDING_HELP = `  --reason <text>      why, for the audit row, which is kept: a ticket's number, what the records show; no personal data
  --as <name>          who decides; @default your name on this machine. Written down as operator:<name>
`;

/** What a decision about one operation takes besides. */
export const JUDGING_OPTIONS = { ...DECIDING_OPTIONS, seen: { type: 'string' } } as const;

export const JUDGING_HELP = `${DECIDING_HELP}  --seen <version>     as show told it: if anything has happened to the operation since, nothing is changed
`;

const PREFIX = 'operator:';

/** @throws CommandError without a reason: nobody can explain it a year later */
export function decidedBy(values: {
  readonly reason?: string | undefined;
  readonly as?: string | undefined;
}): Pick<DecidedBy, 'actor' | 'reason'> {
  const { reason } = values;
  if (reason === undefined || reason.trim() === '') {
    throw new CommandError('why? --reason "ticket 4711: the provider is back": it is kept for the audit');
  }
  const name = values.as ?? systemUser();
  if (name === undefined || name === '' || name === PREFIX) {
    throw new CommandError('who? --as <your name>: it is kept for the audit');
  }
  return { actor: name.startsWith(PREFIX) ? name : PREFIX + name, reason };
}

/** @throws CommandError also for a version that is none */
export function judgedBy(
  values: Parameters<typeof decidedBy>[0] & { readonly seen?: string | undefined },
): Pick<DecidedBy, 'actor' | 'reason' | 'version'> {
  const by = decidedBy(values);
  return values.seen === undefined
    ? by
    : { ...by, version: wholeNumber('seen', values.seen, 1, 2_147_483_647) };
}

function systemUser(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined; // a container's user without a name
  }
}
