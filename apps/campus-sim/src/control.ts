import { z } from 'zod';
import { type Answer, ok, refusal } from './answer.ts';
import type { Domain } from './domain.ts';
import type { FaultSwitch } from './faults.ts';
import type { Journal } from './journal.ts';
import type { Entry, KeyedWrites } from './keyed-writes.ts';
import type { RequestLog } from './request-log.ts';

interface ControlParts<Change> {
  readonly domain: Domain<Change>;
  readonly writes: KeyedWrites<Change>;
  readonly journal: Journal<Entry<Change>>;
  readonly faults: FaultSwitch;
  readonly log: RequestLog;
  readonly dataFile: string | undefined;
}

/** `/_sim/…`: what really happened, and faults on demand. No part of what the service is to its callers. */
export async function control<Change>(
  { domain, writes, journal, faults, log, dataFile }: ControlParts<Change>,
  method: string,
  { pathname, searchParams }: URL,
  body: string,
): Promise<Answer> {
  const count = method === 'GET' ? domain.counts[pathname] : undefined;
  const setting = method === 'PUT' ? domain.settings[pathname] : undefined;
  if (count !== undefined) {
    await journal.flushed(); // what is counted can't be taken back by a crash
    return ok(count(searchParams));
  }
  try {
    if (setting !== undefined) {
      const change = setting(JSON.parse(body || '{}'));
      await writes.change(change);
      return ok(change as object);
    }
    switch (`${method} ${pathname}`) {
      case 'GET /_sim/health':
        await journal.flushed();
        return ok({ ok: true, service: domain.name, dataFile: dataFile ?? null });
      case 'GET /_sim/requests':
        return ok(log.entries(searchParams.get('idempotencyKey')));
      case 'POST /_sim/faults':
        return ok(faults.set(JSON.parse(body || '{}')));
      default:
        return refusal(404, 'not_found', `There is no ${method} ${pathname}`);
    }
  } catch (error) {
    if (error instanceof z.ZodError) return refusal(400, 'invalid_request', z.prettifyError(error));
    if (error instanceof SyntaxError) return refusal(400, 'invalid_request', 'The body is not JSON');
    throw error;
  }
}
