import type { SemelEvent } from '@semel/server';
import { expect, test } from 'vitest';
import type { Logger } from './logging.ts';
import { createOperationLog } from './operation-log.ts';
import { createProviderRefs } from './provider-refs.ts';

function logged(event: SemelEvent): Record<string, unknown> {
  const lines: Record<string, unknown>[] = [];
  const at = (level: string) => (line: object) => void lines.push({ level, ...line });
  const log = { info: at('info'), warn: at('warn') } as unknown as Logger;
  const refs = createProviderRefs();
  refs.learned('op_1', 'tr_1');
  createOperationLog(log, refs)(event);
  return JSON.parse(JSON.stringify(lines[0])) as Record<string, unknown>;
}
const subject = { scope: 'acme', procedure: 'payouts.create', key: 'k', operationId: 'op_1', attempt: 10 };
const line = {
  procedure: 'payouts.create',
  key: 'k',
  operationId: 'op_1',
  attempt: 10,
  tenant: 'acme',
  providerRef: 'tr_1',
};

test('a dead letter is a warning that names who decides about it', () => {
  const event = { ...subject, type: 'dead', error: undefined, deadLetterOwner: 'payments' } as const;
  const said = { level: 'warn', event: 'dead', deadLetterOwner: 'payments' };
  expect(logged(event)).toStrictEqual({ ...line, ...said });
});

test('a decision says what was decided, by whom, and what the operation is now', () => {
  const event = {
    ...subject,
    type: 'decided',
    action: 'redriven',
    to: 'accepted',
    actor: 'operator:ann',
  } as const;
  const said = { level: 'info', event: 'decided', action: 'redriven', to: 'accepted', actor: 'operator:ann' };
  expect(logged(event)).toStrictEqual({ ...line, ...said });
});

test("what this server's keys can't read is a warning that says what and why", () => {
  const event = { ...subject, type: 'undecryptable', what: 'outcome', why: 'unknown_key' } as const;
  const said = { level: 'warn', event: 'undecryptable', what: 'outcome', why: 'unknown_key' };
  expect(logged(event)).toStrictEqual({ ...line, ...said });
});

test('of a replay the kind of its outcome is told, and which layer knew it', () => {
  const event = { ...subject, type: 'replayed', outcome: 'completed', layer: 'redis' } as const;
  expect(logged(event)).toStrictEqual({
    ...line,
    level: 'info',
    event: 'replayed',
    outcome: 'completed',
    layer: 'redis',
  });
});

test('where a policy narrows the scope the tenant stands in the line, and not the student', () => {
  expect(logged({ ...subject, scope: '4:acme/ada', type: 'enqueued' })).toMatchObject({ tenant: 'acme' });
});

test('a member that no event has today stays out of the log', () => {
  const event = {
    ...subject,
    type: 'enqueued',
    owner: 'secret',
    input: { card: '4242' },
  } as unknown as SemelEvent;
  expect(logged(event)).toStrictEqual({ ...line, level: 'info', event: 'enqueued' });
});
