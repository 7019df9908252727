import { IdempotencyProblemSchema } from '@semel/contract/v1';
import {
  createProblem,
  HEADER,
  PROBLEM_CODES,
  type ProblemCode,
  problemCodesOfHttpStatus,
} from '@semel/contract/v1/pure';
import { problemDocument } from '@semel/server/http';
import { z } from 'zod';
import { jsonSchemaOf } from './json-schema.ts';
import type { RestOperation } from './routes.ts';

type Members = Record<string, unknown>;

/** What any route may answer beside success: what the whole server refuses, before or instead of a procedure. */
const EVERYWHERE: Readonly<Record<number, string>> = {
  400: 'The request can not be read, or its input is not valid',
  401: 'No valid API key',
  403: 'The API key has no right to this',
  406: 'The caller accepts no JSON',
  429: 'Too many requests with this API key',
  500: 'A fault of the server',
  503: 'The store is unavailable, or the server is stopping: nothing was begun',
};
const WITH_A_BODY: Readonly<Record<number, string>> = {
  413: 'The body is too large',
  415: 'The body is no JSON',
};
const WITH_A_KEY: Readonly<Record<number, string>> = {
  400: 'The request can not be read, its input is not valid, or its key is missing or malformed',
  409: 'In flight, unknown, overtaken, gone or expired: see `code`. Never send it again under another key',
  422: 'The key was used for another input',
};

/** Every answer of a route that isn't a success. */
export function refusals({ method, key, keyMember, refusals: own = {} }: RestOperation): Members {
  const descriptions: Record<number, string> = {
    ...EVERYWHERE,
    ...(method === 'POST' && WITH_A_BODY),
    ...(keyMember !== undefined && { 400: WITH_A_KEY[400] }),
    ...(key !== 'none' && WITH_A_KEY),
    ...own,
  };
  const codes = (status: number): readonly ProblemCode[] => {
    if (status === 503) return ['store_unavailable'];
    if (key !== 'none')
      return problemCodesOfHttpStatus(status).filter((code) => !(code === 'key_reused' && status === 409));
    return keyMember !== undefined && status === 400 ? ['key_malformed', 'key_missing'] : [];
  };
  return Object.fromEntries(
    Object.entries(descriptions).map(([status, description]) => [
      status,
      problemResponse(Number(status), description, {
        codes: codes(Number(status)),
        keyed: key !== 'none',
        isOwn: status in own || status === '400',
      }),
    ]),
  );
}

interface Told {
  readonly codes: readonly ProblemCode[];
  readonly keyed: boolean;
  /** The status is not only the contract's: its body may be either. */
  readonly isOwn: boolean;
}

function problemResponse(status: number, description: string, { codes, keyed, isOwn }: Told): Members {
  const retries = status === 429 || codes.some((code) => createProblem(code).retryable);
  const headers = [
    ...(retries ? ['RetryAfter'] : []),
    ...(keyed && [402, 409, 422].includes(status) ? ['IdempotencyReplayed', 'IdempotencyOperation'] : []),
    'CacheControl',
  ];
  const names = [
    ...(codes.length > 0 ? ['IdempotencyProblem'] : []),
    ...(codes.length === 0 || isOwn ? ['Problem'] : []),
  ];
  const [schema, ...others] = names.map((name) => ({ $ref: `#/components/schemas/${name}` }));
  const examples = Object.fromEntries(
    codes.map((code) => [code, { value: problemDocument(createProblem(code)) }]),
  );
  return {
    description,
    headers: refs(headers),
    content: {
      'application/problem+json': {
        schema: others.length === 0 ? schema : { anyOf: [schema, ...others] },
        ...(codes.length > 0 && { examples }),
      },
    },
  };
}

/** Headers by their names on the wire. */
export const refs = (names: readonly string[]): Members =>
  Object.fromEntries(
    names.map((name) => [HEADER_NAMES[name] ?? name, { $ref: `#/components/headers/${name}` }]),
  );

const HEADER_NAMES: Readonly<Record<string, string>> = {
  IdempotencyReplayed: HEADER.replayed,
  IdempotencyOperation: HEADER.operation,
  RetryAfter: HEADER.retryAfter,
  CacheControl: 'Cache-Control',
};

const text = { type: 'string' };
export const HEADERS = {
  IdempotencyReplayed: {
    description: 'This is the stored answer of an earlier request under the same key. Absent otherwise',
    schema: { ...text, enum: ['true'] },
  },
  IdempotencyOperation: {
    description:
      'The operation that the key names, where known: `GET /idempotency/operations/{operationId}` tells of it',
    schema: text,
  },
  RetryAfter: {
    description: 'Seconds until the same request, with the same key, is worth sending again',
    schema: { type: 'integer', minimum: 0 },
  },
  Location: {
    description: 'The status of what was accepted',
    schema: { ...text, format: 'uri-reference' },
  },
  CacheControl: { description: '`private, no-store`: no cache may keep an answer', schema: text },
};

const KEY = {
  name: HEADER.key,
  in: 'header',
  required: true,
  schema: { ...text, minLength: 1 },
  examples: {
    quoted: { value: '"order-7"' },
    withAge: { value: '"order-7";age=90' },
    bare: { value: 'order-7' },
  },
};
export const PARAMETERS = {
  IdempotencyKey: {
    ...KEY,
    description:
      'Names one intended action: the same for every repetition of it, another for another. 1 to 255 characters of visible ASCII as an RFC 8941 string; a bare value is the same key. `age`: seconds since it was made.',
  },
  AskedKey: { ...KEY, description: 'The key that is asked about.' },
  IdempotencyContract: {
    name: HEADER.contract,
    in: 'header',
    required: false,
    description: 'The version of the idempotency contract that the caller speaks.',
    schema: { ...text, enum: ['1'], default: '1' },
  },
};

const about = {
  type: z.string().describe('A stable identifier per code'),
  title: z.string(),
  status: z.int(),
  detail: z.string().optional().describe('What was wrong with this request'),
};
const problem = z
  .object({
    ...about,
    code: z.string().optional().describe('As over tRPC: BAD_REQUEST, PAYMENT_REQUIRED, …'),
    issues: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .describe('RFC 9457: a refusal that is not about idempotency');
const idempotencyProblem = z
  .object({ ...about, ...IdempotencyProblemSchema.shape })
  .describe(`RFC 9457: a refusal by the idempotency contract. code: ${PROBLEM_CODES.join(', ')}`);
export const PROBLEM_SCHEMAS = {
  Problem: jsonSchemaOf(problem, 'input').schema,
  IdempotencyProblem: jsonSchemaOf(idempotencyProblem, 'input').schema,
};
