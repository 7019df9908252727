import { type AnyNode, type ArrowFunctionExpression, type FunctionExpression, parse } from 'acorn';
import type { AnyFunction } from '../../admission/inspectable.ts';

export type FunctionNode = ArrowFunctionExpression | FunctionExpression;
export type AnyFunctionNode = FunctionNode | Extract<AnyNode, { type: 'FunctionDeclaration' }>;

/**
 * A function's source as a tree. What a function prints is plain JavaScript: types were taken out before it was loaded.
 *
 * @returns `undefined` for what has no source to look at: native and bound functions, proxies
 */
export function parseFunction(fn: AnyFunction): FunctionNode | undefined {
  const text = sourceOf(fn);
  if (text === undefined) return undefined;
  // A method prints without the word `function`: inside an object literal it's valid again.
  for (const program of [`(${text})`, `({${text}})`, `(class {${text}})`]) {
    const found = tryParse(program);
    if (found !== undefined) return found;
  }
  return undefined;
}

function sourceOf(fn: AnyFunction): string | undefined {
  try {
    return Function.prototype.toString.call(fn);
  } catch {
    return undefined;
  }
}

function tryParse(program: string): FunctionNode | undefined {
  let tree: AnyNode | undefined;
  try {
    tree = parse(program, { ecmaVersion: 'latest', sourceType: 'module', allowAwaitOutsideFunction: true });
  } catch {
    return undefined;
  }
  withoutNaming(tree);
  const [statement] = tree.type === 'Program' ? tree.body : [];
  if (statement?.type !== 'ExpressionStatement') return undefined;
  const { expression } = statement;
  if (expression.type === 'ArrowFunctionExpression' || expression.type === 'FunctionExpression') {
    return expression;
  }
  const [member] =
    expression.type === 'ObjectExpression'
      ? expression.properties
      : expression.type === 'ClassExpression'
        ? expression.body.body
        : [];
  const value = member !== undefined && 'value' in member ? member.value : undefined;
  return value?.type === 'FunctionExpression' ? value : undefined;
}

/** esbuild, and what is made of it, writes `__name(fn, 'fn')` around functions: taken out, so that they are seen as written. */
function withoutNaming(node: AnyNode): void {
  const members = node as unknown as Record<string, unknown>;
  for (const [name, value] of Object.entries(members)) {
    if (Array.isArray(value)) members[name] = value.flatMap((one) => unnamed(one));
    else if (isNode(value)) [members[name]] = unnamed(value);
  }
  for (const child of childrenOf(node)) withoutNaming(child);
}

function unnamed(value: unknown): unknown[] {
  if (!isNode(value)) return [value];
  // `function fn() {} __name(fn, 'fn');`
  if (value.type === 'ExpressionStatement' && isNaming(value.expression)) return [];
  return isNaming(value) ? [value.arguments[0]] : [value];
}

const isNaming = (node: AnyNode): node is Extract<AnyNode, { type: 'CallExpression' }> =>
  node.type === 'CallExpression' &&
  node.callee.type === 'Identifier' &&
  node.callee.name === '__name' &&
  node.arguments.length === 2;

export const isFunctionNode = (node: AnyNode): node is FunctionNode =>
  node.type === 'ArrowFunctionExpression' || node.type === 'FunctionExpression';

/** Every node directly below. acorn's nodes keep their children in plain members and arrays. */
export function childrenOf(node: AnyNode): AnyNode[] {
  const found: AnyNode[] = [];
  for (const value of Object.values(node)) {
    for (const one of Array.isArray(value) ? value : [value]) if (isNode(one)) found.push(one);
  }
  return found;
}

/** Whether anything at or below the node passes; `into` says where not to look. */
export function someNode(
  node: AnyNode,
  passes: (node: AnyNode) => boolean,
  into: (node: AnyNode) => boolean = () => true,
): boolean {
  return passes(node) || (into(node) && childrenOf(node).some((child) => someNode(child, passes, into)));
}

const isNode = (value: unknown): value is AnyNode =>
  typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';
