import { outgoing } from '../source/outgoing.ts';
import { eachProtected } from './rule.ts';

/** Effects that nobody records, or that a transaction doesn't hold. */
export const effectRules = eachProtected((subject, report) => {
  const { look, wrapped } = subject;
  if (look === undefined) return;
  const { mode } = wrapped.policy;
  const seen = new Set<string>();
  for (const call of look.calls) {
    const effect = outgoing(call, look);
    if (effect === undefined || call.zone === 'step') continue;
    const { kind, what } = effect;
    if (seen.has(`${call.zone} ${what}`)) continue;
    seen.add(`${call.zone} ${what}`);
    const inside = mode === 'atomic' ? 'the handler of one transaction' : 'a transaction';
    if (mode !== 'atomic' && call.zone === 'handler') {
      if (kind === 'read') continue;
      const tool = kind === 'request' ? 'a step' : 'a transaction, a settle or a step';
      report(subject, 'effect_outside_step', `looks like ${what} has an effect outside of ${tool}`);
    } else if (kind === 'write') {
      report(
        subject,
        'write_beside_transaction',
        `looks like ${what} writes on another connection than the transaction's`,
      );
    } else {
      report(subject, 'call_in_transaction', `looks like ${what} goes out of ${inside}`);
    }
  }
});
