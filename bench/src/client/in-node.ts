import { memoryJournal } from '@semel/client';
import { bare, keyed, type Way, withRetryLink } from './ways.ts';

export interface Measured {
  readonly way: string;
  /** CPU of one mutation, in microseconds: the median of the rounds. */
  readonly cpuUs: number;
  /** What it costs more than the bare client of the same round: the median. */
  readonly addedUs: number;
}

const WAYS: Readonly<Record<string, () => Way>> = {
  'tRPC alone': bare,
  "tRPC's retryLink": withRetryLink,
  'Semel, memory': () => keyed(),
  'Semel, memory as a journal': () => keyed(memoryJournal()),
  'Semel, memory, an intent each': () => keyed(memoryJournal(), true),
};

/** CPU of this whole process per mutation: nothing else runs in it. */
async function round(way: Way, mutations: number): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < mutations; i++) await way();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / mutations;
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** All ways take turns, in an order that changes, so that a busy machine is busy for all of them. */
export async function measureInNode(rounds = 15, mutations = 2_000): Promise<Measured[]> {
  const ways = Object.entries(WAYS).map(([name, make]) => ({ name, way: make(), cpu: [] as number[] }));
  for (const { way } of ways) await round(way, mutations);
  for (let turn = 0; turn < rounds; turn++)
    for (let i = 0; i < ways.length; i++) {
      const one = ways[(i + turn) % ways.length] as (typeof ways)[number];
      one.cpu.push(await round(one.way, mutations));
    }
  const alone = ways[0]?.cpu ?? [];
  return ways.map(({ name, cpu }) => ({
    way: name,
    cpuUs: median(cpu),
    addedUs: median(cpu.map((us, turn) => us - (alone[turn] ?? Number.NaN))),
  }));
}
