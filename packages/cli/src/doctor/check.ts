/** What one look found. */
export interface Check {
  /** Stable, for machines: `postgres.version`. */
  readonly name: string;
  /** `skipped`: nothing to look at here, or it couldn't be looked at. */
  readonly status: 'ok' | 'warning' | 'wrong' | 'skipped';
  /** One line: what is so. */
  readonly found: string;
  /** Why that matters; only where something isn't right. */
  readonly why?: string;
  /** What to do about it. */
  readonly fix?: string;
}

export const ok = (name: string, found: string): Check => ({ name, status: 'ok', found });
export const skipped = (name: string, found: string): Check => ({ name, status: 'skipped', found });
export const warning = (name: string, found: string, why: string, fix: string): Check => ({
  name,
  status: 'warning',
  found,
  why,
  fix,
});
export const wrong = (name: string, found: string, why: string, fix: string): Check => ({
  name,
  status: 'wrong',
  found,
  why,
  fix,
});
