import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { ok, refusal } from './answer.ts';
import { checked, type Domain, matching } from './domain.ts';

/** One line of `GET /_sim/invoices`. A void invoice was written, and asks for nothing any more. */
export interface Invoice {
  readonly id: string;
  readonly school: string;
  readonly studentId: string;
  readonly courseId: string;
  /** The caller's own name for what is billed. */
  readonly reference: string;
  /** Minor units. */
  readonly amount: number;
  readonly currency: 'EUR';
  readonly state: 'open' | 'void';
  /** The key that wrote it. */
  readonly idempotencyKey: string;
  readonly createdAt: string;
}

interface Hold {
  readonly school: string;
  readonly studentId: string;
  readonly on: boolean;
}
export type BillingChange = { readonly invoice: Invoice } | { readonly hold: Hold };

const text = z.string().min(1).max(200);
const order = z.strictObject({ school: text, studentId: text, courseId: text, reference: text });
const holdSchema = z.strictObject({ school: text, studentId: text, on: z.boolean() });
const PRICE = 12_000;

/**
 * Writes invoices and makes them void. It does **not** refuse a second invoice for the same student, course or reference:
 * only the key protects, so a key that isn't the same shows in the counts.
 */
export function createBilling(): Domain<BillingChange> {
  const invoices = new Map<string, Invoice>();
  const holds = new Set<string>();
  const nameOf = ({ school, studentId }: { school: string; studentId: string }): string =>
    JSON.stringify([school, studentId]);

  const write = checked(order, (body, { idempotencyKey, nowMs }) => {
    if (holds.has(nameOf(body))) {
      return { answer: refusal(402, 'account_on_hold', `The account of ${body.studentId} is on hold`) };
    }
    const invoice: Invoice = {
      id: `inv_${randomUUID()}`,
      ...body,
      amount: PRICE,
      currency: 'EUR',
      state: 'open',
      idempotencyKey,
      createdAt: new Date(nowMs).toISOString(),
    };
    return { answer: { status: 201, body: invoice }, change: { invoice } };
  });
  const makeVoid = checked(z.strictObject({}), (_body, { id }) => {
    const found = invoices.get(id);
    if (found === undefined) {
      return { answer: refusal(404, 'no_such_invoice', `There is no invoice ${id}`), forget: true };
    }
    if (found.state === 'void') {
      return { answer: refusal(409, 'already_void', `Invoice ${id} was made void by another request`) };
    }
    const invoice: Invoice = { ...found, state: 'void' };
    return { answer: ok(invoice), change: { invoice } };
  });

  return {
    name: 'billing',
    writes: [
      [/^\/invoices$/, write],
      [/^\/invoices\/([^/]+)\/void$/, makeVoid],
    ],
    counts: { '/_sim/invoices': (query) => matching(invoices.values(), query) },
    settings: { '/_sim/holds': (body) => ({ hold: holdSchema.parse(body) }) },
    apply(change) {
      if ('invoice' in change) invoices.set(change.invoice.id, change.invoice);
      else if (change.hold.on) holds.add(nameOf(change.hold));
      else holds.delete(nameOf(change.hold));
    },
  };
}
