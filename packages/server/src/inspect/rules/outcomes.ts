import type { AnyNode, Expression } from 'acorn';
import type { Look } from '../source/look.ts';
import { pathOf } from '../source/paths.ts';
import { returnsOf } from '../source/returns.ts';
import { eachProtected } from './rule.ts';

/** Can what it returns be stored, and will a replay look like it? */
export const outcomeRules = eachProtected((subject, report) => {
  const { look, handler, hasOutput, wrapped } = subject;
  // A route's answers are read before they are stored.
  const isRoute = wrapped.route !== undefined;
  const isStream = handler !== undefined && isAsyncGenerator(handler);
  if (isStream) {
    report(subject, 'unstorable_output', 'returns a stream (its handler is an async generator)');
  }
  if (look === undefined) return;
  const bodies = look.tools.filter(({ tool }) => tool === 'settle').flatMap(({ body }) => body ?? []);
  const outputs = [look.root, ...bodies].flatMap(returnsOf).filter((one) => !isNothing(one));
  for (const what of isStream || isRoute ? [] : unstorable(outputs, look)) {
    report(subject, 'unstorable_output', `looks like it returns ${what}`, 'warning');
  }
  for (const { tool, body, name } of look.tools) {
    if ((tool !== 'step' && tool !== 'transaction') || body === undefined) continue;
    const title = name?.type === 'Literal' ? `${tool}('${String(name.value)}')` : `a ${tool}`;
    for (const what of unstorable(returnsOf(body), look)) {
      report(subject, 'unstorable_step', `looks like ${title} returns ${what}`);
    }
  }
  if (!hasOutput && !isStream && outputs.length > 0) {
    report(subject, 'no_output_parser', 'has no output parser');
  }
});

const isNothing = (node: AnyNode): boolean =>
  (node.type === 'Identifier' && node.name === 'undefined') ||
  (node.type === 'UnaryExpression' && node.operator === 'void');

const isAsyncGenerator = (fn: object): boolean =>
  Object.prototype.toString.call(fn) === '[object AsyncGeneratorFunction]';

const STREAM_CLASS = /^(ReadableStream|TransformStream|Response|Blob|File|Readable|PassThrough)$/;

function unstorable(returned: readonly Expression[], look: Look): string[] {
  return [...new Set(returned.flatMap((one) => nameUnstorable(one, look) ?? []))];
}

function nameUnstorable(node: AnyNode, look: Look): string | undefined {
  if (node.type === 'ArrowFunctionExpression' || node.type === 'FunctionExpression') return 'a function';
  if (node.type === 'ObjectExpression') {
    const reserved = node.properties.some(
      (one) => one.type === 'Property' && one.key.type === 'Identifier' && one.key.name === '$idempotency',
    );
    return reserved ? 'the reserved member $idempotency' : undefined;
  }
  const path = pathOf(node, look);
  if (path === undefined) return undefined;
  const text = path.join(' ');
  if (node.type === 'NewExpression' && path.length === 3 && STREAM_CLASS.test(path[1] ?? ''))
    return `a ${path[1]}`;
  if (/^free (globalThis )?fetch \(\)$/.test(text)) return 'the Response of fetch';
  if (/^free (Response (json|redirect|error)|Readable from) \(\)$/.test(text)) return `a ${path[1]}`;
  if (/^free (fs )?createReadStream \(\)$/.test(text)) return 'a stream';
  return undefined;
}
