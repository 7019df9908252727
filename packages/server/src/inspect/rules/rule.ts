import type { FindingCode, Severity } from '../catalogue.ts';
import type { Subject } from '../subjects.ts';

/** Says what it finds. `severity` where it isn't the catalogue's. */
export type Report = (subject: Subject, code: FindingCode, what: string, severity?: Severity) => void;

/** Looks at all mutations, as some things are only wrong about two of them. */
export type Rule = (subjects: readonly Subject[], report: Report) => void | Promise<void>;

/** Most rules look at one protected mutation at a time. */
export const eachProtected =
  (look: (subject: Protected, report: Report) => void) =>
  (subjects: readonly Subject[], report: Report): void => {
    for (const subject of subjects) {
      if (subject.wrapped !== undefined) look(subject as Protected, report);
    }
  };

export type Protected = Subject & { readonly wrapped: NonNullable<Subject['wrapped']> };
