import { isAcceptedBody, parseJsonExact } from '@semel/contract/v1/pure';
import type { TrpcIdempotency } from '@semel/server/trpc';
import { type AnyTRPCRouter, callTRPCProcedure, getTRPCErrorFromUnknown, type TRPCError } from '@trpc/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { UNKNOWN } from '../http/context.ts';
import { principalFrom } from '../procedures/trpc.ts';
import { acceptsJson } from './accept.ts';
import { contextOf } from './context.ts';
import { createInputReader, type RequestParts } from './input.ts';
import { openApiDocument } from './openapi.ts';
import { answerProblem, plain, problemFromError, RestRefusal, storeUnavailable } from './problem.ts';
import { type RestOperation, restOperations } from './routes.ts';

export interface RestOptions {
  readonly router: AnyTRPCRouter;
  readonly idempotent: Pick<TrpcIdempotency<unknown>, 'responseMeta'>;
  readonly bodyLimitBytes: number;
  /** A procedure failed in a way that is nobody's answer. */
  readonly onError: (failure: { readonly error: TRPCError; readonly procedure: string }) => void;
}

/** Every route that the procedures declare, and `/openapi.json` that describes them. */
export async function addRest(app: FastifyInstance, options: RestOptions): Promise<void> {
  const operations = restOperations(options.router);
  const document = JSON.stringify(openApiDocument(operations));
  const statusUrl = statusUrlOf(operations);
  await app.register(async (scope) => {
    parseBodies(scope);
    for (const operation of operations) addOperation(scope, operation, options, statusUrl);
    const paths = Map.groupBy(operations, ({ path }) => path);
    for (const [path, there] of paths) {
      const methods = there.map(({ method }) => method);
      refuseOtherMethods(scope, path, methods);
    }
    refuseOtherMethods(scope, '/openapi.json', ['GET']);
    scope.get('/openapi.json', { config: { rateLimit: false }, logLevel: 'warn' }, async (_request, reply) =>
      reply.header('cache-control', 'no-cache').type('application/json; charset=utf-8').send(document),
    );
  });
}

const urlOf = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

/** `Location` of a 202: the route that tells of an operation by its id. */
function statusUrlOf(operations: readonly RestOperation[]): (operationId: string) => string | undefined {
  const route = operations.find(({ pathMembers }) => pathMembers.join() === 'operationId');
  return (operationId) => route?.path.replace('{operationId}', encodeURIComponent(operationId));
}

function addOperation(
  scope: FastifyInstance,
  operation: RestOperation,
  options: RestOptions,
  statusUrl: (operationId: string) => string | undefined,
): void {
  const { router, idempotent, onError } = options;
  const { method, procedure: path, kind, status = 200 } = operation;
  const inputOf = createInputReader(operation);

  scope.route({
    method,
    url: urlOf(operation.path),
    preParsing: admit,
    handler: async (request, reply) => {
      const ctx = contextOf(request, operation);
      try {
        const input = inputOf(request as RequestParts);
        // No signal: completion doesn't depend on the caller's socket.
        const call = {
          router,
          path,
          type: kind,
          ctx,
          getRawInput: async () => input,
          signal: undefined,
          batchIndex: 0,
        };
        const output: unknown = await callTRPCProcedure(call);
        // tRPC's own address of the status is of no use here.
        const { Location: _, ...headers } = idempotent.responseMeta({ ctx }).headers;
        reply.status(status).headers(headers);
        if (isAcceptedBody(output)) {
          const location = statusUrl(output.operationId);
          reply.status(202);
          if (location !== undefined) reply.header('location', location);
        }
        return reply.type('application/json; charset=utf-8').send(JSON.stringify(output));
      } catch (cause) {
        const error = getTRPCErrorFromUnknown(cause);
        if (isFailure(error)) onError({ error, procedure: path });
        reply.headers(idempotent.responseMeta({ ctx }).headers);
        return answerProblem(request, reply, problemFromError(error, options));
      }
    },
  });
}

const isFailure = ({ code }: TRPCError): boolean =>
  code === 'INTERNAL_SERVER_ERROR' || code === 'BAD_GATEWAY';

/** Before a byte of the body is read: who asks, and could they read the answer? */
async function admit(request: FastifyRequest, _reply: FastifyReply, payload: unknown): Promise<unknown> {
  const authentication = request.authentication ?? UNKNOWN;
  // API keys are in the database of the operations: nothing can be begun, and the same key may come again.
  if (authentication.kind === 'unavailable') {
    throw new RestRefusal(storeUnavailable('The API key could not be checked'));
  }
  principalFrom(authentication);
  if (!acceptsJson(request.headers.accept)) {
    throw new RestRefusal(plain(406, 'Answers are JSON: accept application/json'));
  }
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new RestRefusal(plain(415, 'The body has to come as it is: Content-Encoding is not supported'));
  }
  return payload;
}

/** JSON and nothing else. The exact reader keeps two numbers apart that JSON.parse would make one. */
function parseBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });
  scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    if (body.length === 0) return done(null, undefined);
    try {
      done(null, parseJsonExact(utf8.decode(body as Buffer)));
    } catch {
      // The parser's own message repeats the text.
      done(new RestRefusal(plain(400, 'The body is not well-formed JSON in UTF-8')));
    }
  });
}

/** 405 with what there is, before who asks or what was sent matters. */
function refuseOtherMethods(scope: FastifyInstance, path: string, methods: readonly string[]): void {
  const given = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  const allow = [...given, 'OPTIONS'].join(', ');
  const url = urlOf(path);
  scope.options(url, { config: { rateLimit: false } }, async (_request, reply) =>
    reply.status(204).header('allow', allow).send(),
  );
  scope.route({
    method: scope.supportedMethods.filter((method) => !given.includes(method) && method !== 'OPTIONS'),
    url,
    onRequest: async (request, reply) => {
      reply.header('allow', allow);
      return answerProblem(request, reply, plain(405, `There is only ${allow} here`));
    },
    handler: async () => undefined,
  });
}
