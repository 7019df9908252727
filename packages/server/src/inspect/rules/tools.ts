import type { AnyNode } from 'acorn';
import { type Look, localFunction } from '../source/look.ts';
import { mentions, volatilePart } from '../source/mentions.ts';
import { outgoing } from '../source/outgoing.ts';
import { type AnyFunctionNode, childrenOf } from '../source/parse.ts';
import { pathOf } from '../source/paths.ts';
import { settlesOnOneWay } from '../source/settles.ts';
import { eachProtected } from './rule.ts';

/** How the handler uses its operation. */
export const toolRules = eachProtected((subject, report) => {
  const { look, wrapped } = subject;
  if (look === undefined) return;
  const { mode, effects } = wrapped.policy;
  const foreign = new Set<string>();
  for (const { tool, name, body } of look.tools) {
    const title = name === undefined ? tool : `${tool}(${nameOf(name)})`;
    const belongs = tool === 'childKey' || (tool === 'tx') === (mode === 'atomic');
    if (!belongs && !foreign.has(tool)) {
      report(subject, 'tool_of_other_mode', `looks like it uses operation.${tool} in mode '${mode}'`);
    }
    foreign.add(tool);
    const part = name && volatilePart(name, look, look.isOperation);
    if (part !== undefined) {
      report(subject, 'volatile_step_name', `looks like the name of a ${tool} has ${part} in it`);
    }
    if (belongs && tool === 'step' && body !== undefined && lacksChildKey(body, look)) {
      const severity = effects === 'steps' ? 'warning' : 'advice';
      report(subject, 'missing_child_key', `looks like ${title} calls out without its child key`, severity);
    }
  }
  if (mode === 'atomic') return;
  const settles = look.tools.filter(({ tool }) => tool === 'settle').length;
  if (settles > 0 && settlesOnOneWay(look) > 1) {
    report(subject, 'settles_twice', 'looks like it calls operation.settle more than once on one way');
  }
  if (settles === 0 && look.handedTo.length === 0 && mayLeaveEffects(look)) {
    report(subject, 'never_settles', 'looks like it never calls operation.settle');
  }
});

const nameOf = (name: AnyNode): string =>
  name.type === 'Literal' && typeof name.value === 'string' ? `'${name.value}'` : '…';

/** What only steps did is recorded anyway: the next attempt finds it. */
const mayLeaveEffects = (look: Look): boolean =>
  look.tools.some(({ tool }) => tool === 'transaction') ||
  (!look.tools.some(({ tool }) => tool === 'step') && look.calls.some((call) => look.awaited.has(call.node)));

/** Its parameter is the key: unused, and not made otherwise, while the body calls somebody. */
function lacksChildKey(body: AnyFunctionNode, look: Look): boolean {
  const [parameter] = body.params;
  if (parameter !== undefined && parameter.type !== 'Identifier') return false;
  const isKey = (node: AnyNode): boolean => {
    const from = look.bindings.get(node)?.from;
    return from?.kind === 'parameter' && from.of === body;
  };
  const isUsed = mentions(body.body, look, (path, node) => {
    if (path[0] === 'free' && path[1] === 'arguments') return true;
    if (path.at(-1) === 'childKey' && look.isOperation(path.slice(0, -1))) return true;
    return isKey(node);
  });
  return !isUsed && callsOut(body, look, new Set());
}

/** Built in, or of the kind that changes nothing elsewhere. What isn't known is taken to call out. */
const HARMLESS =
  /^free (globalThis )?(Math|JSON|Date|Number|String|Boolean|Object|Array|BigInt|Promise|Buffer|crypto|performance|structuredClone|console|setTimeout|URL|Error|TRPCError)\b/;
const HARMLESS_NAME =
  /^(get|find|fetch|list|read|load|look|query|select|search|retrieve|describe|check|is|has|count|quote|estimate|compute|calculate|validate|verify|parse|format|to|from|map|filter|reduce|join|split|slice|then|catch|finally|json|text|sleep|delay|wait|log|info|warn|error|debug|trace|nanoid|uuid|ulid|random|v4|now)([A-Z].*|$)/;

function callsOut(node: AnyNode, look: Look, seen: Set<AnyNode>): boolean {
  if (seen.has(node)) return false;
  seen.add(node);
  const below = (): boolean => childrenOf(node).some((child) => callsOut(child, look, seen));
  if (node.type !== 'CallExpression')
    return node.type === 'NewExpression' ? newCallsOut(node, look, seen) : below();
  const path = pathOf(node.callee, look);
  const effect = outgoing({ node, path, zone: 'step' }, look);
  if (effect !== undefined && effect.kind !== 'read') return true;
  const local = localFunction(node.callee, look);
  if (local !== undefined && callsOut(local, look, seen)) return true;
  const isOwn = path !== undefined && look.isOperation(path.slice(0, -1));
  const isHarmless =
    effect?.kind === 'read' ||
    local !== undefined ||
    isOwn ||
    (path !== undefined && (HARMLESS.test(path.join(' ')) || HARMLESS_NAME.test(path.at(-1) ?? '')));
  // Of something that isn't named nothing can be said.
  if (!isHarmless && path !== undefined && (look.awaited.has(node) || node.arguments.length > 0)) return true;
  return below();
}

const newCallsOut = (
  node: Extract<AnyNode, { type: 'NewExpression' }>,
  look: Look,
  seen: Set<AnyNode>,
): boolean => node.arguments.some((argument) => callsOut(argument, look, seen));
