import type { Action } from './action.ts';
import { createAction } from './action.ts';
import { byId, el, fill } from './element.ts';
import { CARDS, GOODS, money, newCart, type Order, paymentFor, totalOf, writeOrder } from './order.ts';
import type { Entry } from './panel.ts';
import type { Shop } from './shop.ts';
import type { Timeline } from './timeline.ts';
import type { createWeather } from './weather.ts';

/** Of what the server answers, what is shown. */
export interface Paid {
  readonly id: string;
  readonly amount: number;
  readonly state: string;
  readonly createdAt: string;
}

export interface PaymentParts {
  readonly shop: Shop;
  readonly weather: ReturnType<typeof createWeather>;
  readonly timeline: Timeline;
  readonly order: Order;
}

/** The checkout: one cart is one intent, in every tab and after every reload. */
export function createPayment({ shop, weather, timeline, order: given }: PaymentParts) {
  let order = given;
  const intent = shop.semel.intent('checkout', [order.cart]);
  const entries = async (): Promise<Paid[]> => {
    const { payments } = await shop.books.payments.list.query({ limit: 100 });
    return payments.filter(({ reference, state }) => reference === order.cart && state !== 'failed');
  };
  const action: Action<Paid> = createAction<Paid>({
    shop,
    weather,
    timeline,
    intent,
    send: (context) => shop.trpc.payments.create.mutate(paymentFor(order), { context }),
    inBooks: async () => (await entries())[0],
  });

  const change = (next: Partial<Order>) => {
    order = { ...order, ...next };
    writeOrder(order);
    action.touch();
  };
  const isOpen = () => ['loading', 'ready', 'refused'].includes(action.state.name);

  function draw(): void {
    fill(byId('lead'), 'Two things for the kitchen, paid once.');
    fill(byId('content'));
    byId('content').replaceChildren(
      ...(action.state.name === 'done' ? [receipt(action.state.result)] : [lines(), cards()]),
    );
  }

  const lines = () =>
    el(
      'div',
      {},
      el('ul', { class: 'lines' }, ...GOODS.map((good, i) => line(good, i))),
      el(
        'p',
        { class: 'total' },
        el('span', {}, 'Total'),
        el('strong', { id: 'total' }, money(totalOf(order))),
      ),
    );

  function line({ name, detail, price }: (typeof GOODS)[number], i: number): HTMLElement {
    const quantity = order.quantities[i] ?? 1;
    const step = (by: number, label: string) => {
      const to = quantity + by;
      const id = `qty-${i}-${by > 0 ? 'more' : 'less'}`;
      const button = el(
        'button',
        { type: 'button', id, 'aria-label': `${label} ${name}`, disabled: !isOpen() || to < 1 || to > 9 },
        by > 0 ? '+' : '−',
      );
      button.addEventListener('click', () => {
        change({ quantities: order.quantities.map((each, at) => (at === i ? to : each)) });
        document.getElementById(id)?.focus();
      });
      return button;
    };
    return el(
      'li',
      {},
      el('span', { class: 'name' }, name, el('small', {}, detail)),
      el(
        'span',
        { class: 'stepper', role: 'group', 'aria-label': `Quantity of ${name}` },
        step(-1, 'One less:'),
        el('span', { class: 'quantity' }, String(quantity)),
        step(1, 'One more:'),
      ),
      el('span', { class: 'price' }, money(price * quantity)),
    );
  }

  function cards(): HTMLElement {
    const options = CARDS.map((card) => {
      const input = el('input', {
        type: 'radio',
        name: 'card',
        id: `card-${card.id}`,
        value: card.id,
        checked: card === order.card,
        disabled: !isOpen(),
      });
      input.addEventListener('change', () => {
        change({ card });
        document.getElementById(input.id)?.focus();
      });
      return el(
        'label',
        {},
        input,
        el('span', { class: 'name' }, card.name, el('span', { class: 'digits' }, `•••• ${card.number}`)),
        el('small', {}, card.detail),
      );
    });
    return el('fieldset', { class: 'cards' }, el('legend', {}, 'Pay with'), ...options);
  }

  const receipt = ({ id, amount, createdAt }: Paid) =>
    el(
      'dl',
      { class: 'receipt', id: 'receipt', 'data-payment': id },
      el('dt', {}, 'Paid'),
      el('dd', { class: 'sum' }, money(amount)),
      el('dt', {}, 'Payment'),
      el('dd', {}, el('code', { id: 'payment-id' }, id)),
      el('dt', {}, 'When'),
      el('dd', {}, new Date(createdAt).toLocaleTimeString()),
      el('dt', {}, 'Card'),
      el('dd', {}, `${order.card.name} •••• ${order.card.number}`),
    );

  writeOrder(order);
  action.onChange(draw);
  return {
    thing: 'payment' as const,
    noun: 'charge',
    intent,
    action,
    draw,
    entries: entries as () => Promise<readonly Entry[]>,
    label: () => `Pay ${money(totalOf(order))}`,
    startAnew: () => location.assign(`/checkout?cart=${newCart()}`),
  };
}
