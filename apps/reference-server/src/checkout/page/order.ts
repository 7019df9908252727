/** What can be bought here; prices in cents. */
export const GOODS = [
  { name: 'Sencha, first flush', detail: '100 g, Shizuoka', price: 1450 },
  { name: 'Cast iron kettle', detail: '0.9 l, matte black', price: 6800 },
] as const;

/** The provider's test customers, as cards. */
export const CARDS = [
  { id: 'ok', customer: 'cus_ok', name: 'Visa', number: '4242', detail: 'Works' },
  { id: 'slow', customer: 'cus_slow', name: 'Maestro', number: '0077', detail: 'A bank that takes its time' },
  {
    id: 'lost',
    customer: 'cus_lost',
    name: 'Amex',
    number: '1005',
    detail: "The bank's first answer gets lost",
  },
  { id: 'declined', customer: 'cus_declined', name: 'Visa', number: '0002', detail: 'Is declined' },
] as const;
export type Card = (typeof CARDS)[number];

/** A cart. It stands in the page's address, so that a reload and a second tab have the same one. */
export interface Order {
  readonly cart: string;
  readonly quantities: readonly number[];
  readonly card: Card;
}

export const totalOf = ({ quantities }: Order): number =>
  GOODS.reduce((sum, { price }, i) => sum + price * (quantities[i] ?? 0), 0);

/** What is sent. The same order always gives an equal one. */
export const paymentFor = (order: Order) => ({
  amount: totalOf(order),
  currency: 'EUR' as const,
  customer: order.card.customer,
  reference: order.cart,
});

export function readOrder(address: string): Order {
  const query = new URL(address).searchParams;
  const quantities = (query.get('qty') ?? '').split('.').map(Number);
  return {
    cart: query.get('cart') ?? newCart(),
    quantities: GOODS.map((_, i) => clamp(quantities[i], i === 0 ? 2 : 1)),
    card: CARDS.find(({ id }) => id === query.get('card')) ?? CARDS[0],
  };
}

/** Puts the order into the address without a new entry in the history. */
export function writeOrder({ cart, quantities, card }: Order): void {
  const url = new URL(location.href);
  url.search = new URLSearchParams({ cart, qty: quantities.join('.'), card: card.id }).toString();
  history.replaceState(null, '', url);
}

export const newCart = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(10)), (byte) => ALPHABET[byte % 32]).join('');

const ALPHABET = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const clamp = (value: number | undefined, otherwise: number): number =>
  value !== undefined && Number.isInteger(value) && value >= 1 && value <= 9 ? value : otherwise;

const euros = new Intl.NumberFormat('en-IE', { style: 'currency', currency: 'EUR' });
export const money = (cents: number): string => euros.format(cents / 100);
