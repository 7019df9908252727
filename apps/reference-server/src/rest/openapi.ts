import { AcceptedBodySchema } from '@semel/contract/v1';
import { type JsonSchema, jsonSchemaOf } from './json-schema.ts';
import { HEADERS, PARAMETERS, PROBLEM_SCHEMAS, refs, refusals } from './openapi-answers.ts';
import type { RestOperation } from './routes.ts';

type Members = Record<string, unknown>;

/** The routes as OpenAPI 3.1, from what the procedures declare and from their own parsers. */
export function openApiDocument(operations: readonly RestOperation[]): object {
  const schemas: Record<string, JsonSchema> = { ...PROBLEM_SCHEMAS };
  /** Everything that has an id goes under it to the components. */
  const add: Add = (...args) => {
    const { schema, named, id } = jsonSchemaOf(...args);
    for (const [name, found] of Object.entries(named)) {
      const before = schemas[name];
      if (before !== undefined && JSON.stringify(before) !== JSON.stringify(found)) {
        throw new Error(`Two schemas have the id ${name}`);
      }
      schemas[name] = found;
    }
    return { ref: id === undefined ? schema : { $ref: `#/components/schemas/${id}` }, whole: schema };
  };

  const paths: Record<string, Members> = {};
  for (const operation of operations) {
    const item = pathItem(operation, add);
    paths[operation.path] = { ...paths[operation.path], [operation.method.toLowerCase()]: item };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Semel reference server',
      version: '1.0.0',
      description:
        'A payments API in which every creation happens once, however often it is sent. The same procedures as over tRPC: a key that was used there is replayed here, and the other way round.',
      license: { name: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ apiKey: [] }],
    tags: [...new Set(operations.map(tagOf))].map((name) => ({ name })),
    paths,
    components: {
      schemas,
      headers: HEADERS,
      parameters: PARAMETERS,
      securitySchemes: { apiKey: { type: 'http', scheme: 'bearer', description: 'An API key: `sk_…`' } },
    },
  };
}

const tagOf = ({ procedure }: RestOperation): string => procedure.split('.', 1)[0] ?? procedure;
const nameOf = ({ name, procedure }: RestOperation): string =>
  name ?? procedure.replaceAll(/\.(\w)/g, (_, letter: string) => letter.toUpperCase());

type Add = (...args: Parameters<typeof jsonSchemaOf>) => {
  readonly ref: JsonSchema;
  readonly whole: JsonSchema;
};

function pathItem(operation: RestOperation, add: Add): Members {
  const { method, key, status = 200, pathMembers, keyMember, queued } = operation;
  const input = jsonSchemaOf(operation.input, 'input').schema;
  const members = input.properties ?? {};
  const inQuery = Object.keys(members).filter(
    (name) => method === 'GET' && !pathMembers.includes(name) && name !== keyMember,
  );
  const keyed = key !== 'none' || keyMember !== undefined;
  return {
    operationId: nameOf(operation),
    tags: [tagOf(operation)],
    summary: operation.summary,
    parameters: [
      ...pathMembers.map((name) => parameter('path', name, members[name], true)),
      ...inQuery.map((name) =>
        parameter('query', name, members[name], input.required?.includes(name) === true),
      ),
      ...(keyed
        ? [{ $ref: `#/components/parameters/${keyMember === undefined ? 'IdempotencyKey' : 'AskedKey'}` }]
        : []),
      ...(key === 'none' ? [] : [{ $ref: '#/components/parameters/IdempotencyContract' }]),
    ],
    ...(method === 'POST' && { requestBody: { required: true, content: json(bodySchema(operation, add)) } }),
    responses: {
      [status]: {
        description:
          key === 'none' ? 'What was asked for' : 'Done: now, or by an earlier request under this key',
        headers: refs([
          ...(key === 'none' ? [] : ['IdempotencyReplayed']),
          ...(key === 'none' && operation.namesOperation !== true ? [] : ['IdempotencyOperation']),
          'CacheControl',
        ]),
        content: json(add(operation.output, 'output').ref),
      },
      ...(queued && { 202: accepted(add) }),
      ...refusals(operation),
    },
  };
}

const ACCEPTED = AcceptedBodySchema.meta({ id: 'AcceptedBody' });

/** A worker does it: the caller asks at `Location`, or sends the same again, until it gets the answer itself. */
const accepted = (add: Add): Members => ({
  description:
    'Accepted, and not done yet. Ask at `Location`, or send the same request with the same key again after `Retry-After`: once it is done, that is answered like any replay',
  headers: refs(['Location', 'RetryAfter', 'IdempotencyOperation', 'CacheControl']),
  content: json(add(ACCEPTED, 'output').ref),
});

function bodySchema({ input, pathMembers }: RestOperation, add: Add): JsonSchema {
  const { ref, whole } = add(input, 'input');
  if (pathMembers.length === 0) return ref;
  const rest = Object.entries(whole.properties ?? {}).filter(([name]) => !pathMembers.includes(name));
  return {
    ...whole,
    properties: Object.fromEntries(rest),
    required: (whole.required ?? []).filter((name) => !pathMembers.includes(name)),
  };
}

const json = (schema: JsonSchema): Members => ({ 'application/json': { schema } });

function parameter(
  where: 'path' | 'query',
  name: string,
  schema: JsonSchema | undefined,
  required: boolean,
): Members {
  const { description, ...rest } = schema ?? { type: 'string' };
  return { name, in: where, required, ...(description !== undefined && { description }), schema: rest };
}
