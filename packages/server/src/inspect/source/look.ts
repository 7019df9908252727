/* oxlint-disable typescript/switch-exhaustiveness-check -- a syntax tree has some seventy kinds of nodes; the default says what holds for the rest */
import type { AnyNode, CallExpression, Expression, SpreadElement } from 'acorn';
import type { AnyFunction } from '../../admission/inspectable.ts';
import { bindingsOf } from './bindings.ts';
import { type AnyFunctionNode, childrenOf, isFunctionNode, parseFunction } from './parse.ts';
import { type Path, type PathFinder, pathOf, printPath } from './paths.ts';

/** Where in a handler something happens: by itself, in a step, or in a transaction (`transaction`, `settle`). */
export type Zone = 'handler' | 'step' | 'transaction';

/** A call of something that isn't the operation, or a tagged template (`` sql`…` ``). */
export interface Call {
  readonly node: Extract<AnyNode, { type: 'CallExpression' | 'NewExpression' | 'TaggedTemplateExpression' }>;
  readonly path: Path | undefined;
  readonly zone: Zone;
}

/** A use of one of the operation's own tools. */
export interface ToolUse {
  readonly tool: 'step' | 'transaction' | 'settle' | 'childKey' | 'tx';
  readonly name: Expression | undefined;
  /** Its body, where it could be found. */
  readonly body: AnyFunctionNode | undefined;
}

export interface Throw {
  readonly thrown: Expression;
  readonly zone: Zone;
  /** The nearest `if` that decides about it. */
  readonly test: Expression | undefined;
}

/** What was seen in a function's source. Only what the source itself says: other modules' functions stay closed. */
export interface Look extends PathFinder {
  readonly calls: readonly Call[];
  readonly tools: readonly ToolUse[];
  readonly throws: readonly Throw[];
  /** Functions that get the operation, and that can't be looked into: what they do with it isn't known. */
  readonly handedTo: readonly string[];
  /** What is awaited or returned as it is. */
  readonly awaited: ReadonlySet<AnyNode>;
  readonly isOperation: (path: Path | undefined) => boolean;
}

/** How the looked-at function gets its operation: which parameter, which members of it. */
export type OperationAt = readonly [parameter: number, ...members: string[]];

interface Where {
  readonly zone: Zone;
  readonly test: Expression | undefined;
}

/** @returns `undefined` when the function's source can't be read */
export function lookAt(fn: AnyFunction, operationAt: OperationAt): Look | undefined {
  const root = parseFunction(fn);
  if (root === undefined) return undefined;
  const takesTransaction = new Set<AnyNode>();
  const givenTo = new Map<AnyNode, readonly AnyNode[]>();
  const finder: PathFinder = { root, bindings: bindingsOf(root), takesTransaction, givenTo };
  const operation: Path = ['handler', ...operationAt.map(String)];
  const isOperation = (path: Path | undefined): boolean =>
    path?.length === operation.length && operation.every((name, i) => path[i] === name);
  const calls: Call[] = [];
  const tools: ToolUse[] = [];
  const throws: Throw[] = [];
  const handedTo = new Set<string>();
  const awaited = new Set<AnyNode>();
  /** Bodies already walked in a zone: functions may call each other. */
  const walked = new Map<AnyNode, Set<Zone>>();

  const functionIn = (node: AnyNode | undefined) => localFunction(node, finder);

  function enter(fn: AnyFunctionNode, where: Where): void {
    const zones = walked.get(fn) ?? new Set();
    if (zones.has(where.zone)) return;
    walked.set(fn, zones.add(where.zone));
    if (fn.body.type !== 'BlockStatement') awaited.add(fn.body);
    for (const parameter of fn.params) walk(parameter, where);
    walk(fn.body, where);
  }

  function walk(node: AnyNode, where: Where): void {
    switch (node.type) {
      case 'FunctionDeclaration':
        return; // looked into where it's called
      case 'VariableDeclarator':
        if (node.init != null && !isFunctionNode(node.init)) walk(node.init, where);
        return;
      case 'ArrowFunctionExpression':
      case 'FunctionExpression':
        enter(node, where);
        return;
      case 'IfStatement': {
        walk(node.test, where);
        const decided = { ...where, test: node.test };
        walk(node.consequent, decided);
        if (node.alternate != null) walk(node.alternate, decided);
        return;
      }
      case 'AwaitExpression':
      case 'YieldExpression':
      case 'ReturnStatement':
        if (node.argument != null) awaited.add(node.argument);
        break;
      case 'ThrowStatement':
        throws.push({ thrown: node.argument, ...where });
        break;
      case 'MemberExpression': {
        const path = pathOf(node, finder);
        if (isTool(path, 'tx')) tools.push({ tool: 'tx', name: undefined, body: undefined });
        break;
      }
      case 'Identifier': {
        const path = pathOf(node, finder);
        if (isTool(path, 'tx')) tools.push({ tool: 'tx', name: undefined, body: undefined });
        const fn = functionIn(node);
        if (fn !== undefined) enter(fn, where);
        return;
      }
      case 'TaggedTemplateExpression':
        calls.push({ node, path: pathOf(node.tag, finder), zone: where.zone });
        break;
      case 'NewExpression':
      case 'CallExpression':
        if (node.type === 'CallExpression' && walkTool(node, where)) return;
        walkCall(node, where);
        return;
    }
    for (const child of relevantChildren(node)) walk(child, where);
  }

  const isTool = (path: Path | undefined, name: string): boolean =>
    path !== undefined && path.at(-1) === name && isOperation(path.slice(0, -1));

  /** `operation.step(name, [options], body)` and its siblings: the body is in a zone of its own. */
  function walkTool(node: CallExpression, where: Where): boolean {
    const path = pathOf(node.callee, finder);
    if (path === undefined || !isOperation(path.slice(0, -1))) return false;
    const tool = path.at(-1);
    if (tool !== 'step' && tool !== 'transaction' && tool !== 'settle' && tool !== 'childKey') {
      for (const argument of node.arguments) walk(argument, where);
      return true;
    }
    const [first] = node.arguments;
    const last = tool === 'childKey' ? undefined : node.arguments.at(-1);
    const body = functionIn(last);
    const name = tool === 'settle' || first?.type === 'SpreadElement' ? undefined : first;
    tools.push({ tool, name, body });
    for (const argument of node.arguments) if (argument !== last) walk(argument, where);
    const zone = tool === 'step' ? 'step' : 'transaction';
    if (body !== undefined) {
      if (zone === 'transaction') takesTransaction.add(body);
      enter(body, { ...where, zone });
    } else if (last !== undefined) {
      walk(last, { ...where, zone });
    }
    return true;
  }

  function walkCall(
    node: Extract<AnyNode, { type: 'CallExpression' | 'NewExpression' }>,
    where: Where,
  ): void {
    const path = pathOf(node.callee, finder);
    const local = functionIn(node.callee);
    calls.push({ node, path, zone: where.zone });
    if (local === undefined && node.arguments.some(givesOperation)) {
      handedTo.add(`${printPath(path ?? []) || 'a function'}()`);
    }
    if (local !== undefined && !givenTo.has(local)) givenTo.set(local, node.arguments);
    if (local !== undefined) enter(local, where);
    else walk(node.callee, where);
    for (const argument of node.arguments) walk(argument, where);
  }

  /** The operation itself, or something that has it: the context, an object that it's put into. */
  function givesOperation(argument: Expression | SpreadElement): boolean {
    if (argument.type === 'SpreadElement') return givesOperation(argument.argument);
    if (argument.type === 'ObjectExpression') {
      return argument.properties.some((property) =>
        givesOperation(property.type === 'SpreadElement' ? property.argument : property.value),
      );
    }
    const path = pathOf(argument, finder);
    if (path === undefined || path[0] !== 'handler' || path.length > operation.length) return false;
    // `operation.id` is a string: only what has the operation, or is it, gives it away.
    return path.every((name, i) => operation[i] === name);
  }

  enter(root, { zone: 'handler', test: undefined });
  return { ...finder, calls, tools, throws, handedTo: [...handedTo], awaited, isOperation };
}

/** The function that stands there, or that a name there was given in the same source. */
export function localFunction(
  node: AnyNode | undefined,
  { bindings }: PathFinder,
): AnyFunctionNode | undefined {
  if (node === undefined) return undefined;
  if (isFunctionNode(node)) return node;
  const binding = node.type === 'Identifier' ? bindings.get(node) : undefined;
  if (binding === undefined || binding.members.length > 0) return undefined;
  if (binding.from.kind === 'function') return binding.from.node;
  return binding.from.kind === 'value' && isFunctionNode(binding.from.value) ? binding.from.value : undefined;
}

/** Children that are expressions or statements: names of members and of properties are no uses of anything. */
function relevantChildren(node: AnyNode): AnyNode[] {
  switch (node.type) {
    case 'MemberExpression':
      return node.computed ? [node.object, node.property] : [node.object];
    case 'Property':
      return node.computed ? [node.key, node.value] : [node.value];
    case 'LabeledStatement':
      return [node.body];
    default:
      return childrenOf(node);
  }
}
