import type { Invoice } from './billing.ts';
import type { FaultSettings } from './faults.ts';
import type { LoggedRequest } from './request-log.ts';
import type { Seat } from './roster.ts';

/** What a running service counted, and what it can be told; wherever it runs. */
export interface CampusOracle {
  readonly url: string;
  /** Replaces what was set, `{}` heals. */
  setFaults(faults: FaultSettings): Promise<void>;
  /** Keyed requests, in the order of arrival. */
  requests(): Promise<LoggedRequest[]>;
  /** Of billing: invoices whose members are these. */
  invoices(query?: Partial<Invoice>): Promise<Invoice[]>;
  /** Of the roster: seats whose members are these. */
  seats(query?: Partial<Seat>): Promise<Seat[]>;
  setCapacity(courseId: string, capacity: number): Promise<void>;
  setHold(school: string, studentId: string, on: boolean): Promise<void>;
}

/** Asks a service over HTTP. Each method throws when the answer isn't a success. */
export function campusOracle(url: string): CampusOracle {
  const ask = async (path: string, method = 'GET', body?: object): Promise<unknown> => {
    const answer = await fetch(`${url}/_sim/${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const count = (what: string, query: object = {}): Promise<unknown> => {
    const members = Object.entries(query).map(([name, value]) => [name, String(value)]);
    return ask(`${what}?${new URLSearchParams(members)}`);
  };
  return {
    url,
    setFaults: async (faults) => void (await ask('faults', 'POST', faults)),
    requests: async () => (await ask('requests')) as LoggedRequest[],
    invoices: async (query) => (await count('invoices', query)) as Invoice[],
    seats: async (query) => (await count('seats', query)) as Seat[],
    setCapacity: async (courseId, capacity) => void (await ask('courses', 'PUT', { courseId, capacity })),
    setHold: async (school, studentId, on) => void (await ask('holds', 'PUT', { school, studentId, on })),
  };
}
