import { z } from 'zod';
import type { Answer } from './answer.ts';
import { countCharges, countPayouts } from './book.ts';
import type { FaultSwitch } from './faults.ts';
import type { RequestLog } from './request-log.ts';
import type { StripeApi } from './stripe-api.ts';

interface ControlParts {
  readonly api: StripeApi;
  readonly faults: FaultSwitch;
  readonly log: RequestLog;
}

/** `/_sim/…`: what really happened, and faults on demand. Not part of Stripe; needs no API key. */
export async function control(
  { api, faults, log }: ControlParts,
  method: string,
  url: URL,
  body: string,
): Promise<Answer> {
  const query = (name: string) => url.searchParams.get(name) ?? undefined;
  switch (`${method} ${url.pathname}`) {
    case 'GET /_sim/health':
      await api.settled();
      return ok({ ok: true });
    case 'GET /_sim/charges':
      await api.settled();
      return ok(countCharges(api.book, query('reference')));
    case 'GET /_sim/payouts':
      await api.settled();
      return ok(countPayouts(api.book, query('reference')));
    case 'GET /_sim/requests':
      return ok(log.entries(query('idempotencyKey')));
    case 'POST /_sim/faults':
      return setFaults(faults, body);
    default:
      return { status: 404, body: { error: `unknown: ${method} ${url.pathname}` } };
  }
}

const ok = (body: object): Answer => ({ status: 200, body });

function setFaults(faults: FaultSwitch, body: string): Answer {
  try {
    return ok(faults.set(JSON.parse(body || '{}')));
  } catch (error) {
    const message = error instanceof z.ZodError ? z.prettifyError(error) : 'the body is not JSON';
    return { status: 400, body: { error: message } };
  }
}
