/** The two services. */

/** What they tell, and what they can be told. */
export type { Invoice } from './billing.ts';
export {
  type CampusService,
  type CampusServiceOptions,
  createCampusService,
  type ServiceName,
} from './campus-service.ts';
export type { FaultSettings } from './faults.ts';
export { type CampusOracle, campusOracle } from './oracle.ts';
export type { LoggedRequest } from './request-log.ts';
export type { Seat } from './roster.ts';
