import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import {
  type IdempotencyProblem,
  parseIdempotencyProblem,
  serializeKeyHeader,
} from '@semel/contract/v1/pure';
import type { Capabilities, Capability } from './capabilities.ts';
import { missing } from './capabilities.ts';
import { type Carrier, carrierOf, member } from './carrier.ts';
import type { Payload } from './payload.ts';
import { type ContractTarget, type HeaderLines, partsOf } from './target.ts';
import { type Answer, exchange, type Sending, sendAndHangUp } from './transport.ts';

/** How one request differs from the ordinary. */
export interface Asking {
  /** The key, sent in the form that the target prefers. Absent: none is sent. */
  readonly key?: string;
  /** The header's value as it is; a list becomes as many lines. Instead of `key`. */
  readonly keyHeader?: string | readonly string[];
  readonly headers?: HeaderLines;
  /** @default 'first' */
  readonly as?: 'first' | 'second' | 'nobody';
  readonly path?: string;
  readonly query?: string;
  readonly method?: string;
  /** Instead of the payload's: a whole body. */
  readonly raw?: { readonly type: string | undefined; readonly body: Buffer };
  /** Put in place of the payload's `memo`, as text: for JSON that no serializer writes. */
  readonly memoText?: string;
  readonly chunked?: boolean;
  /** At the second server. */
  readonly elsewhere?: boolean;
}

/** What a case works with: a server, and names that no other case uses. */
export interface Stage {
  readonly target: ContractTarget;
  readonly carrier: Carrier;
  readonly slowMs: number;
  /** Whether the server has it, for a finer look within a case. */
  has(need: Capability): boolean;
  /** A payload that no other case has. */
  payload(over?: Partial<Payload>): Payload;
  /** A key that nobody has used. */
  key(): string;
  send(payload: Payload, asking?: Asking): Promise<Answer>;
  /** Any request, with the credentials of `as` on it and nothing else. */
  ask(
    method: string,
    url: URL,
    options?: { headers?: HeaderLines; body?: string; as?: Asking['as'] },
  ): Promise<Answer>;
  /** Sends it on a connection that can be torn; resolves when it has left. */
  start(payload: Payload, asking: Asking): Promise<{ hangUp(): Promise<void> }>;
  /** The same request until its answer is neither a conflict nor a 5xx. */
  sendFirmly(payload: Payload, asking: Asking): Promise<Answer>;
  /** Lets a request that was just sent reach the server. */
  moment(ms?: number): Promise<void>;
  /** What the handler answered. */
  value(answer: Answer): unknown;
  /** What tells executions apart. */
  execution(answer: Answer): unknown;
  problem(answer: Answer): IdempotencyProblem | undefined;
  /** Asserts how often a payload took effect, as far as it can be seen. */
  assertEffects(payload: Payload, times: number, answers: readonly Answer[]): Promise<void>;
}

export function createStage(target: ContractTarget, capabilities: Capabilities): Stage {
  const carrier = carrierOf(target);
  const parts = partsOf(target);
  const { slowMs = 500, timeoutMs = 10_000 } = target;
  const bodyOf = target.body ?? ((payload: Payload): unknown => payload);
  const executionOf = target.executionOf ?? ((value: unknown) => member(value, 'id'));

  const keyOf = ({ key, keyHeader }: Asking): HeaderLines => {
    const value = keyHeader ?? (key === undefined ? undefined : written(key));
    return value === undefined ? {} : { 'idempotency-key': value };
  };
  const written = (key: string) => (target.keyForm === 'bare' ? key : serializeKeyHeader({ key }));
  const [first = {}, second = {}] = target.principals ?? [];
  // What tells principals apart is theirs alone: with a header that every request has, nobody would be nobody.
  const theirs = new Set(
    [first, second].flatMap((each) => Object.keys(each).map((name) => name.toLowerCase())),
  );
  const common = Object.fromEntries(
    Object.entries(target.headers ?? {}).filter(([name]) => !theirs.has(name.toLowerCase())),
  );
  const credentials = (as: Asking['as'] = 'first'): HeaderLines => {
    return { ...common, ...(as === 'first' && first), ...(as === 'second' && second) };
  };
  const sendingOf = (payload: Payload, asking: Asking): Sending => {
    const { raw } = asking;
    const type = raw === undefined ? 'application/json' : raw.type;
    const base = asking.elsewhere && target.secondUrl !== undefined ? target.secondUrl : target.url;
    return {
      url: carrier.address(base, asking.path ?? target.path, asking.query),
      method: asking.method ?? target.method ?? 'POST',
      headers: {
        accept: '*/*',
        ...(type !== undefined && { 'content-type': type }),
        ...credentials(asking.as),
        ...keyOf(asking),
        ...asking.headers,
      },
      body: raw?.body ?? Buffer.from(carrier.wrap(jsonOf(bodyOf(payload), asking.memoText))),
      chunked: asking.chunked ?? false,
      timeoutMs,
      fetch: target.fetch,
    };
  };

  const stage: Stage = {
    target,
    carrier,
    slowMs,
    has: (need) => missing(need, capabilities, parts) === undefined,
    payload: (over = {}) => ({ reference: `contract-${randomUUID()}`, amount: 100, ...over }),
    key: () => `contract-${randomUUID()}`,
    send: (payload, asking = {}) => exchange(sendingOf(payload, asking)),
    ask: (method, url, { headers = {}, body, as } = {}) =>
      exchange({
        url,
        method,
        headers: { ...credentials(as), ...headers },
        ...(body !== undefined && { body: Buffer.from(body) }),
        timeoutMs,
        fetch: target.fetch,
      }),
    start: (payload, asking) => sendAndHangUp(sendingOf(payload, asking)),
    async sendFirmly(payload, asking) {
      const until = performance.now() + timeoutMs;
      for (;;) {
        const answer = await stage.send(payload, asking);
        const passing = answer.status === 409 || answer.status >= 500;
        if (!passing || performance.now() > until) return answer;
        await stage.moment(50);
      }
    },
    moment: (ms = Math.min(100, slowMs / 3)) => new Promise((resolve) => setTimeout(resolve, ms)),
    value: (answer) => carrier.value(answer.json),
    execution: (answer) => executionOf(carrier.value(answer.json)),
    problem: (answer) => parseIdempotencyProblem(answer.json),
    async assertEffects(payload, times, answers) {
      const executions = new Set(
        answers.filter((answer) => answer.status < 400).map((answer) => stage.execution(answer)),
      );
      executions.delete(undefined);
      const told = `answers tell of ${executions.size} executions, not of ${times}`;
      if (target.countEffects !== undefined) {
        const count = await target.countEffects(payload.reference);
        assert.equal(count, times, `the effect happened ${count} times, not ${times}`);
        assert.ok(executions.size <= times, told);
        return;
      }
      assert.equal(executions.size, times, `${told} (is the id in executionOf's place?)`);
    },
  };
  return stage;
}

const MEMO = '\u0000memo\u0000';

/** The JSON of a body, with the memo's text put in as it is. */
function jsonOf(body: unknown, memoText: string | undefined): string {
  const json = JSON.stringify(body) ?? '';
  return memoText === undefined ? json : json.replace(JSON.stringify(MEMO), () => memoText);
}

/** The memo of a payload whose text is given with `memoText`. */
export const MEMO_HERE = MEMO;
