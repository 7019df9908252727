import type { Store } from '@semel/server/store';
import type pg from 'pg';
import { nested } from './nesting.ts';

let made = 0;

/** Sent without waiting: it travels with the body's first statement, and if it fails, so does everything after it. */
export const savepoint: Store<pg.ClientBase>['savepoint'] = async (tx, body) => {
  // A name of its own: a body that nests another call must come back to its own beginning.
  const name = `semel_nested_${++made}`;
  const set = tx.query(`SAVEPOINT ${name}`);
  set.catch(() => {}); // RELEASE reports it
  try {
    const value = await nested(tx, body);
    // Refused after an SQL error that the body swallowed: then its writes are gone, and it must not pass for done.
    await tx.query(`RELEASE SAVEPOINT ${name}`);
    return value;
  } catch (error) {
    const undone = [tx.query(`ROLLBACK TO SAVEPOINT ${name}`), tx.query(`RELEASE SAVEPOINT ${name}`)];
    await Promise.allSettled(undone); // a broken connection ends the whole transaction, which the end of it finds out
    throw error;
  }
};
