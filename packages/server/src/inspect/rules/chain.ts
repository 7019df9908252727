import type { AnyNode } from 'acorn';
import type { AnyFunction } from '../../admission/inspectable.ts';
import type { Severity } from '../catalogue.ts';
import { volatilePart } from '../source/mentions.ts';
import { childrenOf } from '../source/parse.ts';
import { finderOf, type PathFinder, pathOf } from '../source/paths.ts';
import { eachProtected } from './rule.ts';

/** What the middlewares do, and where they are. */
export const chainRules = eachProtected((subject, report) => {
  for (const middleware of subject.after) {
    report(subject, 'middleware_inside_claim', `runs ${nameOf(middleware)} behind the claim`);
  }
  for (const middleware of subject.before) {
    const change = changeOfRawInput(middleware);
    if (change !== undefined) {
      const { what, severity } = change;
      report(subject, 'raw_input_changed', `looks like ${nameOf(middleware)} ${what}`, severity);
    }
  }
});

const nameOf = ({ name }: AnyFunction): string => (name === '' ? 'a middleware' : `the middleware ${name}`);

interface Change {
  readonly what: string;
  readonly severity: Severity;
}

/** Puts another `getRawInput` in place, or writes into what it returned. */
function changeOfRawInput(middleware: AnyFunction): Change | undefined {
  const finder = finderOf(middleware);
  if (finder === undefined) return undefined;
  const change = findChange(finder.root.body, finder);
  if (change === undefined) return undefined;
  const volatile = volatilePart(change, finder, () => false);
  return volatile === undefined
    ? { what: 'changes the raw input', severity: 'advice' }
    : { what: `puts ${volatile} into the raw input, which is another on every attempt`, severity: 'warning' };
}

const RAW = 'handler 0 getRawInput';

/** The expression that is put in. */
function findChange(node: AnyNode, finder: PathFinder): AnyNode | undefined {
  if (node.type === 'CallExpression' && pathOf(node.callee, finder)?.join(' ') === 'handler 0 next') {
    const [options] = node.arguments;
    const replaced =
      options?.type === 'ObjectExpression'
        ? options.properties.find(
            (one) =>
              one.type === 'Property' && one.key.type === 'Identifier' && one.key.name === 'getRawInput',
          )
        : undefined;
    if (replaced?.type === 'Property' && pathOf(replaced.value, finder)?.join(' ') !== RAW)
      return replaced.value;
  }
  if (node.type === 'AssignmentExpression' && node.left.type === 'MemberExpression') {
    if (pathOf(node.left.object, finder)?.join(' ').startsWith(`${RAW} ()`)) return node.right;
  }
  if (node.type === 'CallExpression' && pathOf(node.callee, finder)?.join(' ') === 'free Object assign') {
    const [target] = node.arguments;
    if (target !== undefined && pathOf(target, finder)?.join(' ').startsWith(`${RAW} ()`)) return node;
  }
  for (const child of childrenOf(node)) {
    const found = findChange(child, finder);
    if (found !== undefined) return found;
  }
  return undefined;
}
