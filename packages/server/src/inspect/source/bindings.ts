/* oxlint-disable typescript/switch-exhaustiveness-check -- a syntax tree has some seventy kinds of nodes; the default says what holds for the rest */
import type { AnyNode, Expression, Identifier, Pattern } from 'acorn';
import { type AnyFunctionNode, childrenOf } from './parse.ts';

/** Where a name's value comes from: members of an expression's value, or of a function's parameter. */
export interface Binding {
  readonly name: string;
  readonly from:
    | { readonly kind: 'value'; readonly value: Expression }
    | { readonly kind: 'parameter'; readonly of: AnyFunctionNode; readonly index: number }
    | { readonly kind: 'function'; readonly node: AnyFunctionNode }
    | { readonly kind: 'unknown' };
  /** `const { operation: { tx } } = ctx` takes `tx` from `operation`, `tx`. `?` where it can't be said. */
  readonly members: readonly string[];
}

/** Each use of a name, and what it names; absent: it comes from outside of the source that was looked at. */
export type Bindings = ReadonlyMap<AnyNode, Binding>;

type Scope = Map<string, Binding>;
type Chain = readonly Scope[];

/** Resolves every name that is used in a function, by the language's own rules of scope. */
export function bindingsOf(root: AnyNode): Bindings {
  const uses = new Map<AnyNode, Binding>();
  visit(root, [], uses);
  return uses;
}

function visit(node: AnyNode, scopes: Chain, uses: Map<AnyNode, Binding>): void {
  switch (node.type) {
    case 'Identifier': {
      const binding = scopes.findLast((scope) => scope.has(node.name))?.get(node.name);
      if (binding !== undefined) uses.set(node, binding);
      return;
    }
    case 'MemberExpression':
      visit(node.object, scopes, uses);
      if (node.computed) visit(node.property, scopes, uses);
      return;
    case 'Property':
    case 'MethodDefinition':
    case 'PropertyDefinition':
      if (node.computed) visit(node.key, scopes, uses);
      if (node.value != null) visit(node.value, scopes, uses);
      return;
    case 'LabeledStatement':
      visit(node.body, scopes, uses);
      return;
    case 'BreakStatement':
    case 'ContinueStatement':
    case 'MetaProperty':
      return;
    case 'ArrowFunctionExpression':
    case 'FunctionExpression':
    case 'FunctionDeclaration':
      visitFunction(node, scopes, uses);
      return;
    default: {
      const inner = opensScope(node) ? [...scopes, declaredIn(node)] : scopes;
      for (const child of childrenOf(node)) visit(child, inner, uses);
    }
  }
}

function visitFunction(node: AnyFunctionNode, scopes: Chain, uses: Map<AnyNode, Binding>): void {
  const scope: Scope = new Map();
  if (node.id != null && node.type === 'FunctionExpression') {
    scope.set(node.id.name, { name: node.id.name, from: { kind: 'function', node }, members: [] });
  }
  for (const [index, parameter] of node.params.entries()) {
    declare(parameter, { kind: 'parameter', of: node, index }, [], scope);
  }
  collectVars(node.body, scope);
  const inner = [...scopes, scope];
  for (const parameter of node.params) visit(parameter, inner, uses);
  visit(node.body, inner, uses);
}

const opensScope = ({ type }: AnyNode): boolean =>
  type === 'BlockStatement' ||
  type === 'ForStatement' ||
  type === 'ForOfStatement' ||
  type === 'ForInStatement' ||
  type === 'SwitchStatement' ||
  type === 'CatchClause';

/** What a block declares for itself: `let`, `const`, functions and classes, and what a `catch` catches. */
function declaredIn(node: AnyNode): Scope {
  const scope: Scope = new Map();
  if (node.type === 'CatchClause' && node.param != null) declare(node.param, { kind: 'unknown' }, [], scope);
  const statements =
    node.type === 'SwitchStatement' ? node.cases.flatMap((one) => one.consequent) : childrenOf(node);
  for (const statement of statements) {
    if (statement.type === 'VariableDeclaration' && statement.kind !== 'var') declareAll(statement, scope);
    if (statement.type === 'FunctionDeclaration') {
      const name = statement.id?.name ?? '';
      scope.set(name, { name, from: { kind: 'function', node: statement }, members: [] });
    }
    if (statement.type === 'ClassDeclaration') {
      const name = statement.id?.name ?? '';
      scope.set(name, { name, from: { kind: 'unknown' }, members: [] });
    }
  }
  return scope;
}

/** `var` belongs to the whole function. */
function collectVars(node: AnyNode, scope: Scope): void {
  if (node.type === 'VariableDeclaration' && node.kind === 'var') declareAll(node, scope);
  for (const child of childrenOf(node)) {
    const isFunction =
      child.type === 'FunctionDeclaration' ||
      child.type === 'FunctionExpression' ||
      child.type === 'ArrowFunctionExpression';
    if (!isFunction) collectVars(child, scope);
  }
}

function declareAll(declaration: Extract<AnyNode, { type: 'VariableDeclaration' }>, scope: Scope): void {
  for (const { id, init } of declaration.declarations) {
    declare(id, init == null ? { kind: 'unknown' } : { kind: 'value', value: init }, [], scope);
  }
}

function declare(pattern: Pattern, from: Binding['from'], members: readonly string[], scope: Scope): void {
  switch (pattern.type) {
    case 'Identifier':
      scope.set(pattern.name, { name: pattern.name, from, members });
      return;
    case 'ObjectPattern':
      for (const property of pattern.properties) {
        if (property.type === 'RestElement') declare(property.argument, from, members, scope);
        else declare(property.value, from, [...members, memberName(property)], scope);
      }
      return;
    case 'ArrayPattern':
      for (const element of pattern.elements) {
        if (element !== null) declare(element, from, [...members, '?'], scope);
      }
      return;
    case 'AssignmentPattern':
      declare(pattern.left, from, members, scope);
      return;
    case 'RestElement':
      declare(pattern.argument, from, [...members, '?'], scope);
      return;
    case 'MemberExpression':
      return;
  }
}

function memberName({ key, computed }: { key: Expression | AnyNode; computed: boolean }): string {
  if (key.type === 'Literal') return String(key.value);
  return !computed && key.type === 'Identifier' ? (key as Identifier).name : '?';
}
