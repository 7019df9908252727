import { IdempotencyError } from '../../admission/idempotency-error.ts';
import { type Inspectable, markInspectable } from '../../admission/inspectable.ts';
import { classify, type FailureCodec } from '../../engine/failure.ts';
import type { Operation } from '../../engine/operation.ts';
import { Refusal } from '../../engine/refusal.ts';
import { traceOf } from '../../engine/trace.ts';
import type { Semel } from '../../semel.ts';
import { clientVersionFrom } from '../../telemetry/misuse/client-version.ts';
import { answerFrom, passedOn } from './answer.ts';
import { askedBy } from './asked-by.ts';
import { answerCodec, ErrorAnswer, failureCodec, outputFrom } from './codecs.ts';
import { plainProblem, problemResponse } from './problem.ts';
import { type BodyRead, readBody } from './read-body.ts';
import type { Route } from './route-policy.ts';
import { isSafeMethod, noOperation } from './safe-methods.ts';
import { isResponse } from './snapshot.ts';

/** What one adapter knows about its application. */
export interface RouteOptions {
  readonly semel: Semel<unknown>;
  /** As the application gave it, for `inspect`. */
  readonly scope: Inspectable['scope'];
  readonly principalOf: (
    request: Request,
    context: readonly unknown[],
  ) => Promise<string | undefined> | string | undefined;
  readonly minKeyLength: number;
  readonly docs: string | undefined;
  readonly clientVersion?: ((request: Request) => string | undefined) | undefined;
}

/** The application's part of a route. */
export interface RouteCode {
  readonly admit?: ((request: Request, ...context: unknown[]) => unknown) | undefined;
  readonly handler: (request: Request, call: object, ...context: unknown[]) => unknown;
}

type FetchHandler = (request: Request, ...context: unknown[]) => Promise<Response>;

/** Guards and parsers first, then the key, then the engine: nothing is claimed before all of them have passed. */
export function serveOnce(options: RouteOptions, route: Route, { admit, handler }: RouteCode): FetchHandler {
  const { policy, name } = route;
  const failures = failureCodec(route.renderError, policy.maxOutcomeBytes);
  const outcomes = answerCodec(route.replay);

  async function serve(request: Request, context: unknown[]): Promise<Response> {
    const accept = request.headers.get('accept');
    const principal = await options.principalOf(request, context);
    if (typeof principal !== 'string' || principal === '') return unauthorized(accept);
    const read = await readBody(request, route.maxBodyBytes);
    if (read.kind !== 'read') return unreadable(read, route, accept);
    const { bytes } = read;
    const admitted = await admit?.(copyOf(request, bytes), ...context);
    if (isResponse(admitted)) return passedOn(admitted);

    const asked = askedBy(request, bytes, principal, route, options.minKeyLength);
    if (asked instanceof IdempotencyError) {
      return problemResponse(asked.problem, { accept, docs: options.docs, detail: reasonOf(asked) });
    }
    const result = await options.semel.engine.run(
      {
        ...asked,
        procedure: name,
        policy,
        failures,
        outcomes,
        parseOutput: (value) => outputOf(value, route, failures),
        trace: traceOf('request'),
        clientVersion: clientVersionFrom(
          options.clientVersion?.(request) ?? request.headers.get('user-agent'),
        ),
      },
      (operation) =>
        answeredBy(() =>
          handler(copyOf(request, bytes, operation), { operation, admitted, original: request }, ...context),
        ),
    );
    const { docs } = options;
    return answerFrom(result, { accept, docs, replay: route.replay, mismatchStatus: policy.mismatchStatus });
  }

  const once: FetchHandler = async (request, ...context) => {
    const { method } = request;
    if (isSafeMethod(method)) {
      const call = { operation: noOperation(method), admitted: undefined, original: request };
      return (await handler(request, call, ...context)) as Response;
    }
    try {
      return await serve(request, context);
    } catch (error) {
      // Of which nothing was stored: the handler's own transient answer, or one that scope or admit threw.
      if (error instanceof ErrorAnswer) return passedOn(error.response);
      if (isResponse(error)) return passedOn(error);
      throw error;
    }
  };
  return markInspectable(once, {
    given: route.given,
    policy,
    scope: options.scope,
    store: options.semel.store,
    route: { path: name, handler, operationAt: [1, 'operation'] },
  });
}

/** The request as the code of the route sees it: its body can be read, its signal is the operation's, not the socket's. */
function copyOf(request: Request, body: Uint8Array<ArrayBuffer>, operation?: Operation): Request {
  return new Request(request.url, {
    method: request.method,
    headers: request.headers,
    body: body.length === 0 ? null : body,
    ...(operation !== undefined && { signal: operation.signal }),
  });
}

/** The handler's word as the engine understands it: what says no is thrown, so that its writes don't stay. */
async function answeredBy(handle: () => unknown): Promise<unknown> {
  let answered: unknown;
  try {
    answered = await handle();
  } catch (thrown) {
    if (!isResponse(thrown)) throw thrown;
    answered = thrown;
  }
  if (isResponse(answered) && answered.status >= 400) throw new ErrorAnswer(answered);
  return answered;
}

/** An error's message without the code in front of it. */
const reasonOf = ({ code, message }: IdempotencyError): string => message.slice(`${code}: `.length);

const unauthorized = (accept: string | null): Response =>
  plainProblem(
    401,
    'Nobody is authenticated',
    'This request has no principal to scope its key to: authenticate first',
    { accept },
  );

function unreadable(
  { kind }: Exclude<BodyRead, { kind: 'read' }>,
  { maxBodyBytes }: Route,
  accept: string | null,
): Response {
  return kind === 'too large'
    ? plainProblem(413, 'The body is too large', `This route takes up to ${maxBodyBytes} bytes`, { accept })
    : plainProblem(400, 'The body was cut off', 'It ended before it was complete', { accept });
}

/** What is stored: inside the transaction, for `settle` as well. */
async function outputOf(value: unknown, { name, policy }: Route, failures: FailureCodec): Promise<Response> {
  if (!isResponse(value)) {
    throw new TypeError(
      `The handler of ${name} has to answer with a Response, and so has what it passes to operation.settle: that is what is stored`,
    );
  }
  if (value.status < 400) return outputFrom(value, policy.maxOutcomeBytes);
  const error = new ErrorAnswer(value);
  throw classify(error, failures, policy.isFinal) === 'final' ? new Refusal(error) : error;
}
