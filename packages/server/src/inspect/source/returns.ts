import type { AnyNode, Expression } from 'acorn';
import { type AnyFunctionNode, childrenOf, isFunctionNode } from './parse.ts';

/** What a function returns itself, not what functions inside of it do. `await` is taken off. */
export function returnsOf(fn: AnyFunctionNode): Expression[] {
  const found: Expression[] = [];
  if (fn.body.type !== 'BlockStatement') return [unwrapped(fn.body)];
  const visit = (node: AnyNode): void => {
    if (node.type === 'ReturnStatement' && node.argument != null) found.push(unwrapped(node.argument));
    for (const child of childrenOf(node)) {
      if (!isFunctionNode(child) && child.type !== 'FunctionDeclaration') visit(child);
    }
  };
  visit(fn.body);
  return found;
}

function unwrapped(node: Expression): Expression {
  return node.type === 'AwaitExpression' || node.type === 'ParenthesizedExpression'
    ? unwrapped(node.type === 'AwaitExpression' ? node.argument : node.expression)
    : node;
}
