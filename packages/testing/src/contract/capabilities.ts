import type { AnswerKind, FailureKind } from './payload.ts';

/** What can be switched on and off by name. The first group is on until switched off, the second off until switched on. */
const PROMISES = {
  replay: 'a repeated request is answered with the stored result',
  replayMark: 'a replay carries Idempotency-Replayed: true',
  fingerprint: 'a key that was used for another payload is refused',
  canonical: 'payloads are compared by what they mean, not by their text',
  query: 'the query string belongs to the payload',
  requiredKey: 'a request without a key is refused',
  keyLimits: 'a key that is too long or too short is refused',
  structuredKeys: 'Idempotency-Key is read as a structured field (RFC 8941)',
  finalAnswers: 'an answer that could be read twice is not changed by conflicts and refusals between',
  retryAfter: 'a conflict says after how long to come back (Retry-After)',
  noStore: 'answers to keyed requests are kept by no cache (Cache-Control: private, no-store)',
  problemDocuments: "refusals are application/problem+json documents, or link to the server's documentation",
  wireProblems: "refusals carry the Semel contract's problem object and codes",
  operationHeader: 'answers name their operation (Idempotency-Operation)',
  contractHeader: 'Idempotency-Contract is read',
  age: 'the age parameter of a key is read',
} as const;

const EQUIPMENT = {
  slowHandler: 'the handler waits for delayMs before its effect',
  memo: 'the body may carry a member with any JSON',
  rawBodies: 'the route takes bodies of any content type',
  batch: 'several calls may share a request (tRPC batches)',
  cors: "the server answers browsers of another origin (the target's `origin`)",
} as const;

type Switch = keyof typeof PROMISES | keyof typeof EQUIPMENT;

/** What a server can do, and how it was set up. What is false or missing switches cases off, which is reported. */
export interface Capabilities extends Partial<Readonly<Record<Switch, boolean>>> {
  /** What a second request gets while the first one runs: a conflict, or the first one's answer after waiting. @default either */
  readonly inFlight?: 'conflict' | 'wait' | 'either';
  /** @default [] */
  readonly answers?: readonly AnswerKind[];
  /** @default [] */
  readonly failures?: readonly FailureKind[];
}

/** What only some targets have; found out by looking at the target. */
const PARTS = {
  http: 'the target is no plain HTTP route',
  trpc: 'the target is no tRPC procedure',
  socket: 'the target is a function: sockets cannot be torn apart',
  effects: 'the target cannot count effects (countEffects)',
  principals: 'the target has no credentials for two principals (principals)',
  second: 'the target names no second server (secondUrl)',
  otherPath: 'the target names no other route or procedure (otherPath)',
  optionalPath: 'the target names no route or procedure where a key is optional (optionalPath)',
  queued: 'the target names no route or procedure whose work is queued (queuedPath)',
  status: 'the target says not how to ask for a status (status)',
  expire: 'the target cannot make what is stored expire (expire)',
  outage: 'the target cannot take the store away (breakStore)',
  'inFlight:conflict': 'the server is not set up to answer a conflict while a request runs (inFlight)',
  'inFlight:wait': 'the server is not set up to wait while a request runs (inFlight)',
} as const;

/** What a case can't do without, and not every server has. */
export type Capability = Switch | keyof typeof PARTS | `answer:${AnswerKind}` | `failure:${FailureKind}`;

/** Everything that can be switched by a name, with what it means. */
export const SWITCHES: Readonly<Record<Switch, string>> = { ...PROMISES, ...EQUIPMENT };

export const isSwitch = (name: string): name is Switch => Object.hasOwn(SWITCHES, name);

/** Whether a target with these parts and capabilities has it; the reason when it hasn't. */
export function missing(
  need: Capability,
  capabilities: Capabilities,
  parts: ReadonlySet<string>,
): string | undefined {
  if (isSwitch(need)) {
    const on = capabilities[need] ?? Object.hasOwn(PROMISES, need);
    if (on) return undefined;
    return Object.hasOwn(PROMISES, need)
      ? `switched off: ${SWITCHES[need]} (${need})`
      : `not switched on: ${SWITCHES[need]} (${need})`;
  }
  const [kind, name] = need.split(':');
  if (kind === 'answer' && !capabilities.answers?.includes(name as AnswerKind)) {
    return `the server cannot be asked for this answer: ${name} (answers)`;
  }
  if (kind === 'failure' && !capabilities.failures?.includes(name as FailureKind)) {
    return `the server cannot be asked to fail like this: ${name} (failures)`;
  }
  if (kind === 'answer' || kind === 'failure') return undefined;
  if (kind === 'inFlight') {
    return capabilities.inFlight === name ? undefined : PARTS[need as keyof typeof PARTS];
  }
  return parts.has(need) ? undefined : PARTS[need as keyof typeof PARTS];
}
