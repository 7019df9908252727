/* oxlint-disable typescript/switch-exhaustiveness-check -- a syntax tree has some seventy kinds of nodes; the default says what holds for the rest */
import type { AnyNode, Statement } from 'acorn';
import { type Look, localFunction } from './look.ts';
import { type AnyFunctionNode, childrenOf, isFunctionNode } from './parse.ts';
import { pathOf } from './paths.ts';

/** How often `settle` is called at most: where code goes on behind it, and where it ended (`return`, `throw`). */
interface Count {
  /** `undefined`: nothing gets past here. */
  readonly through: number | undefined;
  readonly ended: number;
}
const NOTHING: Count = { through: 0, ended: 0 };

/**
 * The most calls of `operation.settle` on one way through the handler: branches exclude each other. A loop counts twice,
 * unless it leaves after the first. What other modules' functions do isn't counted.
 */
export function settlesOnOneWay(look: Look): number {
  const inside = new Set<AnyNode>();

  function ofFunction(fn: AnyFunctionNode): number {
    if (inside.has(fn)) return 0;
    inside.add(fn);
    const { through = 0, ended } =
      fn.body.type === 'BlockStatement' ? ofStatement(fn.body) : ofExpression(fn.body);
    inside.delete(fn);
    return Math.max(through, ended);
  }

  function ofExpression(node: AnyNode | null | undefined): Count {
    return { through: node == null ? 0 : inExpression(node), ended: 0 };
  }

  function inExpression(node: AnyNode): number {
    if (node.type === 'ConditionalExpression') {
      return inExpression(node.test) + Math.max(inExpression(node.consequent), inExpression(node.alternate));
    }
    // Called back by whom it's handed to; once, as far as can be said.
    if (isFunctionNode(node)) return ofFunction(node);
    if (node.type === 'CallExpression') {
      const path = pathOf(node.callee, look);
      const called = path?.at(-1) === 'settle' && look.isOperation(path.slice(0, -1)) ? 1 : 0;
      if (called === 1) return 1;
      const local = localFunction(node.callee, look);
      const own = local === undefined ? inExpression(node.callee) : ofFunction(local);
      return node.arguments.reduce((sum, argument) => sum + inExpression(argument), own);
    }
    return childrenOf(node).reduce((sum, child) => sum + inExpression(child), 0);
  }

  function ofStatement(node: AnyNode | null | undefined): Count {
    if (node == null) return NOTHING;
    switch (node.type) {
      case 'BlockStatement':
        return inOrder(node.body.map(ofStatement));
      case 'IfStatement':
        return inOrder([
          ofExpression(node.test),
          either([ofStatement(node.consequent), ofStatement(node.alternate)]),
        ]);
      case 'ReturnStatement':
      case 'ThrowStatement': {
        const { through } = ofExpression(node.argument);
        return { through: undefined, ended: through ?? 0 };
      }
      case 'BreakStatement':
      case 'ContinueStatement':
        return NOTHING;
      case 'TryStatement':
        // A settle that threw is used up as well: another in `catch` is a second one.
        return inOrder([
          caught(ofStatement(node.block), node.handler?.body, ofStatement),
          ofStatement(node.finalizer),
        ]);
      case 'SwitchStatement':
        return inOrder([ofExpression(node.discriminant), either(casesOf(node).map(inOrder))]);
      case 'ForStatement':
      case 'ForOfStatement':
      case 'ForInStatement':
      case 'WhileStatement':
      case 'DoWhileStatement': {
        const once = ofStatement(node.body);
        // What breaks out after the first time isn't told apart: a loop that can leave counts once.
        const leaves = containsLeave(node.body);
        return { through: (once.through ?? 0) * (leaves ? 1 : 2), ended: once.ended };
      }
      case 'LabeledStatement':
        return ofStatement(node.body);
      case 'FunctionDeclaration':
      case 'ClassDeclaration':
        return NOTHING;
      case 'VariableDeclaration':
        return inOrder(
          node.declarations.map(({ init }) =>
            init == null || isFunctionNode(init) ? NOTHING : ofExpression(init),
          ),
        );
      default:
        return ofExpression(node);
    }
  }

  const casesOf = (node: Extract<AnyNode, { type: 'SwitchStatement' }>): Count[][] => [
    [],
    ...node.cases.map(({ consequent }: { consequent: Statement[] }) => consequent.map(ofStatement)),
  ];

  return ofFunction(look.root);
}

function inOrder(counts: readonly Count[]): Count {
  let through: number | undefined = 0;
  let ended = 0;
  for (const count of counts) {
    if (through === undefined) break;
    ended = Math.max(ended, through + count.ended);
    through = count.through === undefined ? undefined : through + count.through;
  }
  return { through, ended };
}

function either(counts: readonly Count[]): Count {
  const open = counts.flatMap(({ through }) => (through === undefined ? [] : [through]));
  return {
    through: open.length === 0 ? undefined : Math.max(...open),
    ended: Math.max(...counts.map(({ ended }) => ended)),
  };
}

function caught(tried: Count, handler: AnyNode | undefined, count: (node: AnyNode) => Count): Count {
  if (handler === undefined) return tried;
  const before = Math.max(tried.through ?? 0, tried.ended);
  return either([tried, inOrder([{ through: before, ended: 0 }, count(handler)])]);
}

const containsLeave = (node: AnyNode): boolean =>
  node.type === 'BreakStatement' ||
  (!isFunctionNode(node) && childrenOf(node).some((child) => containsLeave(child)));
