import type { CampaignOptions } from './campaign.ts';

type Plan = Pick<CampaignOptions, 'operations' | 'faults' | 'postgresKills'>;

/** 30 faults. */
export const LONG: Plan = {
  operations: 20_000,
  faults: { standalone: 18, sentinel: 5, cluster: 7 },
  postgresKills: 5,
};

/** For `npm test`. */
export const SHORT: Plan = {
  operations: 1_000,
  faults: { standalone: 5, sentinel: 1, cluster: 2 },
  postgresKills: 1,
};
