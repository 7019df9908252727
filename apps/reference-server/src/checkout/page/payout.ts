import type { OperationStatus } from '@semel/contract/v1/pure';
import { type Action, createAction } from './action.ts';
import { byId, el, fill } from './element.ts';
import { money, newCart } from './order.ts';
import type { Entry } from './panel.ts';
import type { PaymentParts } from './payment.ts';

/** Of what the server answers, what is shown. */
interface Paid {
  readonly id: string;
  readonly amount: number;
  readonly destination: string;
}

const STAGES = [
  ['accepted', 'Accepted'],
  ['sending', 'With the bank'],
  ['booking', 'Being booked'],
  ['done', 'Paid out'],
] as const;
const AMOUNT = 25_000;
const DESTINATION = 'ba_slow';

export const payoutIn = (address: string): string => new URL(address).searchParams.get('payout') ?? newCart();

/** Long work: accepted with a 202, done by a worker, watched by this page. */
export function createPayout({ shop, weather, timeline, id }: Omit<PaymentParts, 'order'> & { id: string }) {
  const intent = shop.semel.intent('payout', [id]);
  const input = { amount: AMOUNT, currency: 'EUR' as const, destination: DESTINATION };
  /** The server's books list no payouts; what it knows of the operation says as much. */
  const entries = async (): Promise<Entry[]> => {
    const [record] = await intent.records();
    if (record === undefined) return [];
    const status: OperationStatus = await shop.books.idempotency.status.query({
      procedure: 'payouts.create',
      key: record.key,
    });
    if (status.state === 'not_found' || status.operationId === undefined) return [];
    return [{ id: status.operationId, state: status.state }];
  };
  const action: Action<Paid> = createAction<Paid>({
    shop,
    weather,
    timeline,
    intent,
    send: (context) => shop.trpc.payouts.create.mutate(input, { context }),
    inBooks: async () => undefined,
  });

  function draw(): void {
    fill(
      byId('lead'),
      action.state.name === 'done'
        ? 'The week’s takings are at the bank, sent once.'
        : 'Send the week’s takings to the bank. It may take a while, with or without this page.',
    );
    byId('content').replaceChildren(
      el(
        'dl',
        {
          class: 'receipt',
          ...(action.state.name === 'done' && { id: 'receipt', 'data-payment': action.state.result.id }),
        },
        el('dt', {}, action.state.name === 'done' ? 'Paid out' : 'Amount'),
        el('dd', { class: 'sum' }, money(AMOUNT)),
        el('dt', {}, 'To'),
        el('dd', {}, 'Halm Tea, IE29 •••• 7788'),
        ...(action.state.name === 'done'
          ? [el('dt', {}, 'Payout'), el('dd', {}, el('code', { id: 'payment-id' }, action.state.result.id))]
          : []),
      ),
      stages(),
    );
  }

  function stages(): HTMLElement {
    const { state } = action;
    const at =
      state.name === 'done'
        ? STAGES.length
        : state.name === 'working' && state.why === 'worker'
          ? Math.max(
              0,
              STAGES.findIndex(([stage]) => stage === state.stage),
            )
          : -1;
    return el(
      'ol',
      { class: 'stages', 'aria-label': 'Progress' },
      ...STAGES.map(([, name], i) =>
        el(
          'li',
          { 'data-stage': i < at ? 'past' : i === at ? 'now' : 'ahead', 'aria-current': i === at && 'step' },
          name,
        ),
      ),
    );
  }

  const url = new URL(location.href);
  url.search = new URLSearchParams({ view: 'payout', payout: id }).toString();
  history.replaceState(null, '', url);
  action.onChange(draw);
  return {
    thing: 'payout' as const,
    noun: 'operation',
    intent,
    action,
    draw,
    entries,
    label: () => `Pay out ${money(AMOUNT)}`,
    startAnew: () => location.assign('/checkout?view=payout'),
  };
}
