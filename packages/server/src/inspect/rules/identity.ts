import { volatilePart } from '../source/mentions.ts';
import { moneyNamesIn } from '../source/money.ts';
import { finderOf } from '../source/paths.ts';
import type { Subject } from '../subjects.ts';
import { eachProtected, type Protected, type Report, type Rule } from './rule.ts';

/** Which requests are the same one? */
export const identityRules: Rule = (subjects, report) => {
  names(subjects, report);
  one(subjects, report);
};

const one = eachProtected((subject, report) => {
  const { given, policy } = subject.wrapped;
  for (const field of ['fingerprint', 'scope'] as const) {
    const fn = given[field];
    const finder = fn && finderOf(fn);
    const part = finder && volatilePart(finder.root.body, finder, () => false);
    if (part !== undefined) {
      report(
        subject,
        'volatile_identity',
        `looks like its ${field} has ${part} in it, which is another every time`,
      );
    }
  }
  if (policy.mismatch === 'replay') {
    const money = moneyNamesIn(subject.inputs);
    if (money.length > 0) {
      report(
        subject,
        'lenient_money',
        `looks like its input is about money (${money.join(', ')}), and another input gets the stored answer (mismatch: 'replay')`,
      );
    }
  }
});

/** Carriers of one procedure share its name; two procedures never do. Another store has other operations. */
function names(subjects: readonly Subject[], report: Report): void {
  const taken = new Map<object, Map<string, Protected[]>>();
  for (const subject of subjects) {
    if (subject.wrapped === undefined) continue;
    const { store, policy } = subject.wrapped;
    const byName = taken.get(store) ?? new Map<string, Protected[]>();
    taken.set(store, byName);
    const name = policy.name ?? subject.path;
    byName.set(name, [...(byName.get(name) ?? []), subject as Protected]);
  }
  for (const [name, sharing] of [...taken.values()].flatMap((byName) => [...byName])) {
    for (const subject of sharing) {
      // A plain route is called by its name, which says nothing where that is what is shared.
      const others = sharing
        .filter(({ identity }) => identity !== subject.identity)
        .map(({ path }) => (path === subject.path ? 'another route' : path));
      if (others.length > 0) {
        report(subject, 'name_shared', `has the name '${name}', as ${others.toSorted().join(', ')} has`);
      }
    }
  }
}
