import { z } from 'zod';
import { type Answer, type Call, type Campus, CampusFailure, type CampusService } from './campus.ts';

export interface HttpCampusOptions {
  readonly billingUrl: string;
  readonly rosterUrl: string;
  /** Of one call, its answer's last byte included. */
  readonly timeoutMs: number;
}

type RefusalCode = Extract<Answer<object>, { kind: 'refused' }>['code'];

interface Post<Body> {
  readonly service: CampusService;
  readonly url: string;
  readonly json: object;
  readonly made: z.ZodType<Body>;
  /** The refusals that are this service's to give. Any other 4xx is no verdict about this order. */
  readonly refusals: readonly string[];
}

const invoice = z.object({ id: z.string().min(1).max(200) });
const seat = z.object({ id: z.string().min(1).max(200), seat: z.int().min(1) });
const anything = z.object({});
const refused = z.object({ error: z.object({ code: z.string() }) });

/** Billing and roster over HTTP. Repeats nothing by itself: the operation's next attempt does, under the same key. */
export function createHttpCampus({ billingUrl, rosterUrl, timeoutMs }: HttpCampusOptions): Campus {
  const at = (base: string, ...path: string[]): string =>
    [base.replace(/\/+$/, ''), ...path.map(encodeURIComponent)].join('/');
  const ask = <Body>(post: Post<Body>, call: Call) => send(post, call, timeoutMs);
  return {
    async invoice(order, call) {
      const answer = await ask(
        {
          service: 'billing',
          url: at(billingUrl, 'invoices'),
          json: order,
          made: invoice,
          refusals: ['account_on_hold'],
        },
        call,
      );
      return answer.kind === 'made' ? { kind: 'made', invoiceId: answer.body.id } : answer;
    },
    async voidInvoice(id, call) {
      const url = at(billingUrl, 'invoices', id, 'void');
      await ask({ service: 'billing', url, json: {}, made: anything, refusals: ['already_void'] }, call);
      return { kind: 'void' };
    },
    async takeSeat(order, call) {
      const answer = await ask(
        {
          service: 'roster',
          url: at(rosterUrl, 'seats'),
          json: order,
          made: seat,
          refusals: ['course_full', 'already_seated'],
        },
        call,
      );
      return answer.kind === 'made'
        ? { kind: 'made', seatId: answer.body.id, seat: answer.body.seat }
        : answer;
    },
    async releaseSeat(id, call) {
      const url = at(rosterUrl, 'seats', id, 'release');
      await ask({ service: 'roster', url, json: {}, made: anything, refusals: ['already_released'] }, call);
      return { kind: 'released' };
    },
  };
}

type Sent<Body> =
  | { readonly kind: 'made'; readonly body: Body }
  | { readonly kind: 'refused'; readonly code: RefusalCode };

/**
 * Which answers are answers: success, and a refusal by its name. The rest leaves open what happened, so it must not pass for
 * a "no": no answer in time, a 5xx, `in_flight` (an earlier request of ours is still at work there), `key_reused` (the key
 * did something, and not this), and whatever a proxy on the way makes up.
 */
async function send<Body>(
  { service, url, json, made, refusals }: Post<Body>,
  { idempotencyKey, signal }: Call,
  timeoutMs: number,
): Promise<Sent<Body>> {
  try {
    const answer = await fetch(url, {
      method: 'POST',
      redirect: 'error', // a POST that is sent on might arrive twice
      headers: { 'content-type': 'application/json', 'idempotency-key': `"${idempotencyKey}"` },
      body: JSON.stringify(json),
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    const body: unknown = await answer.json();
    if (answer.ok) return { kind: 'made', body: made.parse(body) };
    const code = refused.safeParse(body).data?.error.code;
    if (answer.status < 500 && code !== undefined && refusals.includes(code)) {
      return { kind: 'refused', code: code as RefusalCode };
    }
    throw new Error(`answered ${answer.status}${code === undefined ? '' : ` ${code}`}`);
  } catch (error) {
    throw new CampusFailure(service, error);
  }
}
