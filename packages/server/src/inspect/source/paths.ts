/* oxlint-disable typescript/switch-exhaustiveness-check -- a syntax tree has some seventy kinds of nodes; the default says what holds for the rest */
import type { AnyNode } from 'acorn';
import type { AnyFunction } from '../../admission/inspectable.ts';
import { type Bindings, bindingsOf } from './bindings.ts';
import { type AnyFunctionNode, parseFunction } from './parse.ts';

/**
 * What an expression stands for, as a chain of names. It begins with where the chain begins: `handler` (the looked-at
 * function's parameter, with its index), `tx` (a transaction handed to a body), `own` (made in the source), `local` (it
 * can't be said of what), or `free` (from outside of the source). `()` stands for a call on the way: `getStripe().charges` is `free getStripe () charges`.
 */
export type Path = readonly string[];

export interface PathFinder {
  readonly root: AnyFunctionNode;
  readonly bindings: Bindings;
  /** Functions whose first parameter is a transaction. Found while walking. */
  readonly takesTransaction: ReadonlySet<AnyNode>;
  /** What functions of the source were called with, the first time. Found while walking. */
  readonly givenTo: ReadonlyMap<AnyNode, readonly AnyNode[]>;
}

/** @returns `undefined` when the function's source can't be read */
export function finderOf(fn: AnyFunction): PathFinder | undefined {
  const root = parseFunction(fn);
  return root && { root, bindings: bindingsOf(root), takesTransaction: new Set(), givenTo: new Map() };
}

/** @returns `undefined` where an expression is no chain of names */
export function pathOf(node: AnyNode, finder: PathFinder, depth = 0): Path | undefined {
  // Names that are made of each other go in a circle only in code that can't run.
  if (depth > 30) return undefined;
  switch (node.type) {
    case 'Identifier':
      return pathOfName(node, finder, depth);
    case 'ThisExpression':
      return ['free', 'this'];
    case 'MemberExpression': {
      const object = pathOf(node.object, finder, depth + 1);
      return object && withMember(object, propertyName(node));
    }
    case 'ChainExpression':
    case 'ParenthesizedExpression':
      return pathOf(node.expression, finder, depth + 1);
    case 'AwaitExpression':
      return pathOf(node.argument, finder, depth + 1);
    case 'YieldExpression':
      // How `await` is written for engines that have none.
      return node.argument == null ? undefined : pathOf(node.argument, finder, depth + 1);
    case 'SequenceExpression': {
      // Compilers write `(0, module.name)(…)`.
      const last = node.expressions.at(-1);
      return last && pathOf(last, finder, depth + 1);
    }
    case 'CallExpression':
    case 'NewExpression': {
      const callee = pathOf(node.callee, finder, depth + 1);
      return callee && [...callee, '()'];
    }
    default:
      return undefined;
  }
}

function pathOfName(
  node: Extract<AnyNode, { type: 'Identifier' }>,
  finder: PathFinder,
  depth: number,
): Path | undefined {
  const binding = finder.bindings.get(node);
  if (binding === undefined) return ['free', node.name];
  const { from, members } = binding;
  const begin = ((): Path | undefined => {
    switch (from.kind) {
      case 'value':
        return pathOf(from.value, finder, depth + 1);
      case 'parameter':
        if (from.of === finder.root) return ['handler', String(from.index)];
        if (from.index === 0 && finder.takesTransaction.has(from.of)) return ['tx'];
        return pathOfArgument(finder.givenTo.get(from.of)?.[from.index], finder, depth);
      case 'function':
      case 'unknown':
        return undefined;
    }
  })();
  if (begin !== undefined) return members.reduce(withMember, begin);
  const isOwn = from.kind === 'function' || (from.kind === 'value' && MADE_HERE.has(from.value.type));
  return [isOwn ? 'own' : 'local', node.name];
}

/** A parameter of a function of the source is what the function was called with. */
const pathOfArgument = (given: AnyNode | undefined, finder: PathFinder, depth: number): Path | undefined =>
  given === undefined ? undefined : pathOf(given, finder, depth + 1);

const MADE_HERE: ReadonlySet<string> = new Set([
  'ObjectExpression',
  'ArrayExpression',
  'ArrowFunctionExpression',
  'FunctionExpression',
  'ClassExpression',
]);

/** Bundlers and compilers put a module's object before an imported name: what counts is the name. */
const isModuleObject = (path: Path): boolean =>
  path.length === 2 && path[0] === 'free' && /^__vi\w*_import_\d+__$|_\d+$/.test(path[1] ?? '');

function withMember(path: Path, member: string): Path {
  if (isModuleObject(path)) return ['free', member];
  return member === 'default' && path[0] === 'free' ? path : [...path, member];
}

export function propertyName(node: Extract<AnyNode, { type: 'MemberExpression' }>): string {
  const { property, computed } = node;
  if (property.type === 'PrivateIdentifier') return `#${property.name}`;
  if (!computed && property.type === 'Identifier') return property.name;
  return property.type === 'Literal' && typeof property.value === 'string' ? property.value : '?';
}

/** As a reader would write it: without where it begins, with its calls. */
export function printPath(path: Path): string {
  const [begin, ...rest] = path;
  const names = begin === 'handler' ? rest.slice(1) : begin === 'tx' ? path : rest;
  return names.join('.').replaceAll('.()', '()');
}
