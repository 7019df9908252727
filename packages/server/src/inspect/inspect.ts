import type { AnyFunction } from '../admission/inspectable.ts';
import { CATALOGUE, FINDING_CODES, type FindingCode, SEVERITIES, type Severity } from './catalogue.ts';
import type { Finding, InspectReport } from './report.ts';
import { chainRules } from './rules/chain.ts';
import { effectRules } from './rules/effects.ts';
import { errorRules } from './rules/errors.ts';
import { identityRules } from './rules/identity.ts';
import { lifetimeRules } from './rules/lifetime.ts';
import { outcomeRules } from './rules/outcomes.ts';
import { protectionRules } from './rules/protection.ts';
import type { Rule } from './rules/rule.ts';
import { toolRules } from './rules/tools.ts';
import { lookAt } from './source/look.ts';
import {
  type AnyRoute,
  type AnyRouter,
  isRouter,
  type Subject,
  subjectOfRoute,
  subjectsOf,
} from './subjects.ts';

export interface InspectOptions {
  /**
   * Findings that are meant so, for routers that can't say it themselves: by procedure, by code, each with its reason.
   * A procedure says it in its own meta: `.meta({ acceptedFindings: { no_policy: 'logging out twice is logged out' } })`.
   */
  readonly accept?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /**
   * By procedure, the function that does its work, where the resolver only calls it: looked at in the resolver's place. Its
   * first parameter is the operation: `{ 'payments.create': createPayment }`.
   */
  readonly handlers?: Readonly<Record<string, AnyFunction>>;
}

const RULES: readonly Rule[] = [
  protectionRules,
  chainRules,
  identityRules,
  lifetimeRules,
  effectRules,
  toolRules,
  outcomeRules,
  errorRules,
];

/**
 * Looks at a router before it goes live: mutations that aren't protected, policies that can't keep what they seem to
 * promise, and handlers that look as if they had effects nobody records. Calls no handler and no middleware; it calls
 * `finalErrors` of the policies with made-up errors, and loads lazy routers.
 *
 * An `error` is certain. What is read from a handler's source (`fn.toString()`) is at most a `warning` that begins with
 * "looks like", and functions outside of the handler stay closed: no finding doesn't mean that there is none. `unseen` says
 * where the look ended.
 *
 * @param target a tRPC router, or a list of plain routes that `@semel/server/http` wrapped
 * @returns the same report for the same router
 * @throws TypeError for what is no router and no wrapped route, and for a handler of no mutation
 * @example
 * const { findings } = await inspect(appRouter);
 * expect(findings.filter((f) => f.severity === 'error' && f.accepted === undefined)).toEqual([]);
 */
export async function inspect(
  target: AnyRouter | readonly AnyRoute[],
  options: InspectOptions = {},
): Promise<InspectReport> {
  const all = isRouter(target) ? await subjectsOf(target) : (target as AnyRoute[]).map(subjectOfRoute);
  const subjects = withHandlers(all, options.handlers ?? {});
  // By the subject itself: two routes may have one name, which is one of the findings.
  const found = new Map(subjects.map((subject): [Subject, Finding[]] => [subject, []]));
  for (const rule of RULES) {
    await rule(subjects, (subject, code, what, severity) => {
      const { why, instead } = CATALOGUE[code];
      const docs = `docs/guides/inspect.md#${code}`;
      const grade = severity ?? CATALOGUE[code].severity;
      found.get(subject)?.push({ code, severity: grade, procedure: subject.path, what, why, instead, docs });
    });
  }
  const findings = [...found]
    .flatMap(([subject, mine]) => accepted(subject, mine, options))
    .toSorted(compare);
  const count = (severity: Severity): number =>
    findings.filter((one) => one.severity === severity && one.accepted === undefined).length;
  return {
    version: 1,
    findings,
    summary: {
      mutations: subjects.length,
      protected: subjects.filter(({ wrapped }) => wrapped !== undefined).length,
      error: count('error'),
      warning: count('warning'),
      advice: count('advice'),
      accepted: findings.filter((one) => one.accepted !== undefined).length,
    },
    unseen: subjects.flatMap(unseenIn).toSorted((a, b) => order(a.procedure, b.procedure)),
  };
}

function withHandlers(
  subjects: readonly Subject[],
  handlers: Readonly<Record<string, AnyFunction>>,
): Subject[] {
  const unknown = Object.keys(handlers).filter((path) => !subjects.some((subject) => subject.path === path));
  if (unknown.length > 0) throw new TypeError(`inspect: there is no mutation ${unknown.join(', ')}`);
  return subjects.map((subject) => {
    const handler = Object.hasOwn(handlers, subject.path) ? handlers[subject.path] : undefined;
    return handler === undefined ? subject : { ...subject, handler, look: lookAt(handler, [0]) };
  });
}

/** A subject's findings, with the reasons it gives for some; and the reasons that are for nothing. */
function accepted(subject: Subject, mine: readonly Finding[], { accept = {} }: InspectOptions): Finding[] {
  const reasons: Record<string, unknown> = {
    ...(subject.meta.acceptedFindings as Record<string, unknown> | undefined),
    ...(Object.hasOwn(accept, subject.path) ? accept[subject.path] : {}),
  };
  const isReason = (reason: unknown): reason is string => typeof reason === 'string' && reason.trim() !== '';
  const { why, instead } = CATALOGUE.stale_acceptance;
  const stale = Object.entries(reasons).flatMap(([code, reason]): Finding[] => {
    const what = !FINDING_CODES.includes(code as FindingCode)
      ? `accepts ${code}, which is no finding`
      : !mine.some((one) => one.code === code)
        ? `accepts ${code}, which isn't found here`
        : isReason(reason)
          ? undefined
          : `accepts ${code} without a reason`;
    if (what === undefined) return [];
    const docs = 'docs/guides/inspect.md#stale_acceptance';
    return [
      { code: 'stale_acceptance', severity: 'advice', procedure: subject.path, what, why, instead, docs },
    ];
  });
  return [
    ...mine.map((one) => {
      const reason = reasons[one.code];
      return isReason(reason) ? { ...one, accepted: reason } : one;
    }),
    ...stale,
  ];
}

function unseenIn({ path, wrapped, handler, look }: Subject): InspectReport['unseen'] {
  if (wrapped === undefined || handler === undefined) return [];
  if (look === undefined) return [{ procedure: path, what: "the handler's source can't be read" }];
  return look.handedTo.map((what) => ({ procedure: path, what: `${what} gets the operation` }));
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const compare = (a: Finding, b: Finding): number =>
  SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
  FINDING_CODES.indexOf(a.code) - FINDING_CODES.indexOf(b.code) ||
  order(a.procedure, b.procedure) ||
  order(a.what, b.what);
