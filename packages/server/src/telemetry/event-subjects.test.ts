import { expect, test } from 'vitest';
import { policyFrom } from '../admission/policy.ts';
import { createOutcomeCodec } from '../engine/outcome.ts';
import type { RunRequest } from '../engine/request.ts';
import { createSemel } from '../semel.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { SemelEvent } from './events.ts';

test('events carry what identifies an operation, never its owner, fingerprint, policy or outcome', async () => {
  const events: SemelEvent[] = [];
  const { engine } = createSemel({
    store: createMemoryStore(),
    recovery: false,
    onEvent: (e) => events.push(e),
  });
  const request = (mode: 'atomic' | 'leased', fingerprint = 'v1:secret-print'): RunRequest => ({
    scope: 'alice',
    procedure: mode,
    key: 'k',
    ageMs: 2000,
    fingerprint,
    policy: policyFrom({ mode }),
    failures: { statusOf: () => undefined, describe: () => ({ httpStatus: 500, code: 'X', message: '' }) },
    outcomes: createOutcomeCodec(),
    trace: { actor: 'request' },
  });
  for (const mode of ['atomic', 'leased'] as const) {
    await engine.run(request(mode), async () => 'secret-answer');
    await engine.run(request(mode), async () => 'secret-answer');
    await engine.run(request(mode, 'v1:other-print'), async () => 'secret-answer');
  }
  expect(events).toHaveLength(7);
  for (const event of events) {
    const { type: _, ...fields } = event;
    const allowed = [
      'attempt',
      'cause',
      'code',
      'durationMs',
      'key',
      'layer',
      'operationId',
      'outcome',
      'procedure',
      'scope',
    ];
    expect(Object.keys(fields).filter((name) => !allowed.includes(name))).toEqual([]);
  }
  expect(JSON.stringify(events)).not.toMatch(/secret|other-print/);
});
