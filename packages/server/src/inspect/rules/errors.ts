import type { AnyNode } from 'acorn';
import { saysFinal } from '../../engine/failure.ts';
import type { Look, Throw } from '../source/look.ts';
import { mentions } from '../source/mentions.ts';
import { someNode } from '../source/parse.ts';
import { pathOf } from '../source/paths.ts';
import type { Rule } from './rule.ts';

/** Which failures are final, and where refusals come from. */
export const errorRules: Rule = async (subjects, report) => {
  const passing = await transientErrors();
  for (const subject of subjects) {
    const isFinal = subject.wrapped?.policy.isFinal;
    if (isFinal !== undefined) {
      const wrong = passing.filter(({ error }) => saysFinal(isFinal, error)).map(({ name }) => name);
      if (wrong.length > 0)
        report(subject, 'final_transient', `says that ${list(wrong)} is final (finalErrors)`);
    }
    const { look } = subject;
    if (look === undefined) continue;
    const codes = new Set(look.throws.flatMap((thrown) => guardCode(thrown, look) ?? []));
    for (const code of codes) {
      report(
        subject,
        'guard_in_handler',
        `looks like a guard in the handler: it throws ${code} before anything is looked up`,
      );
    }
  }
};

const list = (names: readonly string[]): string =>
  names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');

/** Failures that pass by themselves, as a handler would meet them. */
async function transientErrors(): Promise<{ name: string; error: unknown }[]> {
  const withCode = (name: string, code: string) => ({
    name,
    error: Object.assign(new Error(name), { code }),
  });
  const errors = [
    withCode('a serialization failure (40001)', '40001'),
    withCode('a deadlock (40P01)', '40P01'),
    withCode('ECONNRESET', 'ECONNRESET'),
    withCode('ETIMEDOUT', 'ETIMEDOUT'),
    // Of a plain route finalErrors judges the answer that it made.
    { name: 'a 500 answer', error: new Response(null, { status: 500 }) },
    { name: 'a 503 answer', error: new Response(null, { status: 503 }) },
    { name: 'a timeout', error: new DOMException('The operation timed out', 'TimeoutError') },
  ];
  // Where routes are plain HTTP there may be no tRPC.
  const trpc = await import('@trpc/server').catch(() => undefined);
  if (trpc === undefined) return errors;
  const codes = [
    'UNAUTHORIZED',
    'TIMEOUT',
    'TOO_MANY_REQUESTS',
    'INTERNAL_SERVER_ERROR',
    'BAD_GATEWAY',
    'SERVICE_UNAVAILABLE',
    'GATEWAY_TIMEOUT',
  ] as const;
  return [...codes.map((code) => ({ name: code, error: new trpc.TRPCError({ code }) })), ...errors];
}

const GUARD_CODES: ReadonlySet<unknown> = new Set(['UNAUTHORIZED', 'FORBIDDEN', 'TOO_MANY_REQUESTS']);

/**
 * `throw new TRPCError({ code: 'FORBIDDEN' })` on a condition about the context alone could be a middleware. One about what
 * was read in the handler could not.
 */
function guardCode({ thrown, test, zone }: Throw, look: Look): string | undefined {
  if (zone !== 'handler' || test === undefined || thrown.type !== 'NewExpression') return undefined;
  if (pathOf(thrown.callee, look)?.at(-1) !== 'TRPCError') return undefined;
  const [options] = thrown.arguments;
  if (options?.type !== 'ObjectExpression') return undefined;
  const code = options.properties.find(
    (one) => one.type === 'Property' && one.key.type === 'Identifier' && one.key.name === 'code',
  );
  if (code?.type !== 'Property' || code.value.type !== 'Literal' || !GUARD_CODES.has(code.value.value))
    return undefined;
  return isAboutContext(test, look) ? String(code.value.value) : undefined;
}

function isAboutContext(test: AnyNode, look: Look): boolean {
  let context = false;
  const other = mentions(test, look, (path) => {
    const isContext = path[0] === 'handler' && path[2] === 'ctx' && path[3] !== 'operation';
    context ||= isContext;
    // Anything that was made in the handler, or asked of somebody, is more than a guard had.
    return path[0] === 'local' || path[0] === 'own' || path.includes('()') || path.includes('operation');
  });
  const awaits = someNode(test, ({ type }) => type === 'AwaitExpression' || type === 'CallExpression');
  return context && !other && !awaits;
}
