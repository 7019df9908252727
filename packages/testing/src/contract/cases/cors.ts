import assert from 'node:assert/strict';
import type { ContractCase } from '../case.ts';
import { assertDone } from '../expect.ts';
import type { Answer } from '../transport.ts';

const WIRE = 'WIRE: Answers (CORS)';
const EXPOSED = ['idempotency-replayed', 'idempotency-operation', 'retry-after'];

function names(answer: Answer, header: string): string[] {
  return (answer.headers.get(header) ?? '').split(',').map((name) => name.trim().toLowerCase());
}

export const corsCases: readonly ContractCase[] = [
  {
    id: 'W23',
    title: 'allows a web page to send a key',
    sources: [WIRE],
    needs: ['cors'],
    async run(stage) {
      const { target, carrier } = stage;
      const answer = await stage.ask('OPTIONS', carrier.address(target.url, target.path), {
        as: 'nobody',
        headers: {
          origin: target.origin ?? '',
          'access-control-request-method': target.method ?? 'POST',
          'access-control-request-headers': 'content-type,idempotency-contract,idempotency-key',
        },
      });
      assert.ok(
        answer.status === 200 || answer.status === 204,
        `a preflight is answered with ${answer.status}`,
      );
      const allowed = names(answer, 'access-control-allow-headers');
      for (const name of ['idempotency-key', 'idempotency-keys', 'idempotency-contract'])
        assert.ok(allowed.includes(name), `${name} is allowed`);
    },
  },
  {
    id: 'W24',
    title: "lets a web page read the answer's headers, on refusals too",
    sources: [WIRE, 'S23'],
    needs: ['cors', 'requiredKey'],
    async run(stage) {
      const headers = { origin: stage.target.origin ?? '' };
      const done = await stage.send(stage.payload(), { key: stage.key(), headers });
      assertDone(done);
      for (const answer of [done, await stage.send(stage.payload(), { headers })]) {
        const exposed = names(answer, 'access-control-expose-headers');
        for (const name of EXPOSED)
          assert.ok(exposed.includes(name), `${name} is exposed (${answer.status})`);
      }
    },
  },
];
