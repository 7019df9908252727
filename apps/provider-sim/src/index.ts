/** The simulator itself. */

/** What it tells, and what it can be told. */
export type { ChargeCount } from './book.ts';
export type { FaultSettings, LoseHow } from './faults.ts';
export { createProviderSim, type ProviderSim, type ProviderSimOptions } from './provider-sim.ts';
export type { LoggedRequest } from './request-log.ts';
