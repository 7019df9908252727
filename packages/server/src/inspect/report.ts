import { z } from 'zod';
import { FINDING_CODES, type FindingCode, SEVERITIES } from './catalogue.ts';

/** One thing found about one procedure. */
const finding = z.object({
  /** Stable. New codes may come with a minor version. */
  code: z.enum(FINDING_CODES as [FindingCode, ...FindingCode[]]),
  severity: z.enum(SEVERITIES),
  /** The procedure's path in the router, or the route. */
  procedure: z.string(),
  /** What is wrong here. Begins with "looks like" where it was read from source. */
  what: z.string(),
  why: z.string(),
  instead: z.string(),
  /** Where it's explained, from the repository's root. */
  docs: z.string(),
  /** The reason for which the application accepts it; such a finding never fails a build. */
  accepted: z.string().optional(),
});

/**
 * What `inspect` returns and what `semel inspect --json` prints. `version` changes when a member is taken away or changes its
 * meaning; members may be added.
 */
export const inspectReport = z.object({
  version: z.literal(1),
  /** Error first, then by code and procedure: the same router gives the same report. */
  findings: z.array(finding),
  summary: z.object({
    mutations: z.int(),
    /** Mutations under a claim. */
    protected: z.int(),
    /** Not counting accepted ones. */
    error: z.int(),
    warning: z.int(),
    advice: z.int(),
    accepted: z.int(),
  }),
  /** Where the look ended: nothing is known of what happens there. */
  unseen: z.array(z.object({ procedure: z.string(), what: z.string() })),
});

export type Finding = z.infer<typeof finding>;
export type InspectReport = z.infer<typeof inspectReport>;
