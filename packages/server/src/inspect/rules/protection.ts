import { type IdempotencyPolicy, policyFrom } from '../../admission/policy.ts';
import { parseFunction } from '../source/parse.ts';
import { returnsOf } from '../source/returns.ts';
import type { Rule } from './rule.ts';

/** Is it protected at all, for every caller, and from every other caller? */
export const protectionRules: Rule = (subjects, report) => {
  for (const subject of subjects) {
    const { wrapped, meta, claims } = subject;
    if (wrapped === undefined) {
      if (meta.idempotency === undefined) {
        report(subject, 'no_policy', 'is a mutation without an idempotency policy');
      } else {
        report(
          subject,
          'policy_not_in_force',
          `has a policy, and its builder isn't wrapped${refusalOf(meta.idempotency)}`,
        );
      }
      continue;
    }
    if (claims > 1) report(subject, 'wrapped_twice', `is wrapped ${claims} times`);
    if (wrapped.scope === 'shared') {
      report(
        subject,
        'unscoped',
        'shares its keys between all callers (DANGEROUSLY_SHARE_KEYS_BETWEEN_ALL_CALLERS)',
      );
    } else if (isConstant(wrapped.scope)) {
      report(
        subject,
        'scope_constant',
        'looks like all callers have one scope: the scope function returns a constant',
      );
    }
    if (wrapped.policy.key === 'optional') {
      report(subject, 'key_optional', "takes calls without a key (key: 'optional')");
    }
  }
};

/** A policy that was never checked, because nothing is wrapped, may be one that would be refused. */
function refusalOf(policy: unknown): string {
  try {
    policyFrom(policy as IdempotencyPolicy);
    return '';
  } catch (error) {
    return ` (it would be refused: ${error instanceof Error ? error.message : String(error)})`;
  }
}

function isConstant(scope: Parameters<typeof parseFunction>[0]): boolean {
  const node = parseFunction(scope);
  if (node === undefined) return false;
  const returned = returnsOf(node);
  return (
    returned.length > 0 &&
    returned.every(
      (one) =>
        (one.type === 'Literal' && typeof one.value === 'string') ||
        (one.type === 'TemplateLiteral' && one.expressions.length === 0),
    )
  );
}
