import { duration } from '../terminal/ages.ts';
import { type Check, ok, warning, wrong } from './check.ts';

const DOUBTFUL_MS = 5000;
/** As long as a key is kept past its expiry, so that clocks may differ. */
const TOO_MUCH_MS = 10 * 60_000;

/** How far another clock is from this machine's, as the best of a few looks tells: half the round trip is unknown. */
export async function clockCheck(name: string, whose: string, read: () => Promise<number>): Promise<Check> {
  let best = { difference: 0, unknown: Number.POSITIVE_INFINITY };
  for (let i = 0; i < 3; i++) {
    const sent = Date.now();
    const theirs = await read();
    const received = Date.now();
    const unknown = (received - sent) / 2;
    if (unknown < best.unknown) best = { difference: theirs - (sent + unknown), unknown };
  }
  return judged(name, whose, best.difference, best.unknown);
}

/** @param difference theirs less ours, in ms */
export function judged(name: string, whose: string, difference: number, unknown: number): Check {
  const off = Math.max(0, Math.abs(difference) - unknown);
  const found = `${duration(Math.abs(difference))} ${difference < 0 ? 'behind' : 'ahead of'} this machine`;
  if (off < DOUBTFUL_MS) return ok(name, off < 1000 ? 'as this machine’s' : found);
  const fix = `Synchronise this machine and ${whose} (chrony, NTP).`;
  if (off < TOO_MUCH_MS) {
    return warning(
      name,
      found,
      "Leases and expiry are the database's clock's business, but servers judge kept answers by their own: they replay too long, or too short.",
      fix,
    );
  }
  return wrong(
    name,
    found,
    'Keys are kept 10 minutes past their expiry so that clocks may differ. Beyond that an answer may be replayed for a key that was forgotten.',
    fix,
  );
}
