import type { Entrant } from '../harness/stage.ts';
import type { Server } from '../harness/start-server.ts';
import type { Keys } from './over-http.ts';
import { createKeys } from './over-http.ts';

/** An entrant whose server runs. */
export interface Live {
  readonly entrant: Entrant;
  readonly server: Server;
}

const stamp = Date.now().toString(36);
let sets = 0;

/** Keys that nobody has used before, in this run or another. */
export const freshKeys = (among?: number): Keys => createKeys(`${stamp}-${(sets++).toString(36)}`, among);
