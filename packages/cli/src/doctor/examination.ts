import type { Database } from '../connect/query.ts';
import type { Settings } from '../connect/settings.ts';
import type { Check } from './check.ts';

/** What is looked at. */
export interface Patient {
  readonly database: Database;
  readonly url: string;
  readonly settings: Settings;
  /** How many server processes there are. */
  readonly servers: number;
}

/** One look at it: changes nothing. What it rejects with is shown in place of its checks. */
export type Examination = (patient: Patient) => Promise<readonly Check[]>;
