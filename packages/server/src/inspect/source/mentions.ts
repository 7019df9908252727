import type { AnyNode } from 'acorn';
import { someNode } from './parse.ts';
import { type Path, type PathFinder, pathOf } from './paths.ts';

const NAMES_SOMETHING: ReadonlySet<string> = new Set([
  'Identifier',
  'MemberExpression',
  'CallExpression',
  'NewExpression',
]);

/**
 * Whether an expression is made of something: looks at it, and at what the names in it were made of. Doesn't look into
 * what `closed` says, for example a step, whose result is recorded whatever went into it.
 */
export function mentions(
  node: AnyNode,
  finder: PathFinder,
  passes: (path: Path, node: AnyNode) => boolean,
  closed: (path: Path) => boolean = () => false,
  seen: Set<AnyNode> = new Set(),
): boolean {
  const isClosed = (one: AnyNode): boolean => {
    if (one.type !== 'CallExpression') return false;
    const path = pathOf(one.callee, finder);
    return path !== undefined && closed(path);
  };
  return someNode(
    node,
    (one) => {
      if (!NAMES_SOMETHING.has(one.type)) return false;
      const path = pathOf(one, finder);
      if (path !== undefined && passes(path, one)) return true;
      const from = one.type === 'Identifier' ? finder.bindings.get(one)?.from : undefined;
      const made: AnyNode | undefined =
        from?.kind === 'value' ? from.value : from?.kind === 'function' ? from.node : undefined;
      if (made === undefined || seen.has(made)) return false;
      seen.add(made);
      return !isClosed(made) && mentions(made, finder, passes, closed, seen);
    },
    (one) => !isClosed(one),
  );
}

/** Calls that give another value on every attempt. */
const VOLATILE: readonly RegExp[] = [
  /^free (globalThis )?Date now \(\)$/,
  /^free (globalThis )?performance now \(\)$/,
  /^free (globalThis )?Math random \(\)$/,
  /^free (.* )?(randomUUID|randomBytes|getRandomValues|nanoid|uuidv4|uuidv7|uuid|ulid|cuid|uuid v[147]) \(\)$/,
  /^free process hrtime( bigint)? \(\)$/,
];

/** @returns what it looks like, as it's written; `undefined` for what is the same each time */
export function volatilePart(
  node: AnyNode,
  finder: PathFinder,
  isOperation: (path: Path | undefined) => boolean,
): string | undefined {
  let found: string | undefined;
  const isRecorded = (path: Path): boolean => {
    const tool = path.at(-1);
    return (tool === 'step' || tool === 'transaction') && isOperation(path.slice(0, -1));
  };
  const passes = (path: Path, one: AnyNode): boolean => {
    const text = path.join(' ');
    const isAttempt = path.at(-1) === 'attempt' && isOperation(path.slice(0, -1));
    // `new Date(input.at)` is the same each time, `new Date()` isn't.
    const isNow =
      one.type === 'NewExpression' &&
      one.arguments.length === 0 &&
      /^free (globalThis )?Date \(\)$/.test(text);
    if (!isAttempt && !isNow && !VOLATILE.some((pattern) => pattern.test(text))) return false;
    found = isAttempt ? 'operation.attempt' : path.slice(1).join('.').replaceAll('.()', '()');
    return true;
  };
  return mentions(node, finder, passes, isRecorded) ? found : undefined;
}
