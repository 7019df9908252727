/** A member's name that is about money: `amount`, `priceCents`, `total_price`; not `amountOfGuests` or `pricing`. */
const MONEY =
  /^(amount|price|fee|cost|charge|balance|currency|iban|cents)(_?(cents|minor|net|gross|eur|usd)|Cents|Minor|Net|Gross|Eur|Usd)?$|[a-z](Amount|Price|Fee|Cents|Currency)$|_(amount|price|fee|cents|currency)$/;
const MAX_DEPTH = 6;

/** Names of an input's members that are about money, as far as its schemas can be looked into (zod, valibot and alike). */
export function moneyNamesIn(schemas: readonly unknown[]): string[] {
  const names = new Set<string>();
  for (const schema of schemas) collect(schema, 0, names);
  return [...names].toSorted();
}

function collect(schema: unknown, depth: number, names: Set<string>): void {
  if (depth > MAX_DEPTH || (typeof schema !== 'object' && typeof schema !== 'function') || schema === null)
    return;
  const { shape, entries, def, _def } = schema as Record<string, unknown>;
  const members = membersOf(shape) ?? membersOf(entries);
  for (const [name, member] of Object.entries(members ?? {})) {
    if (MONEY.test(name)) names.add(name);
    collect(member, depth + 1, names);
  }
  const inner = (def ?? _def) as Record<string, unknown> | undefined;
  if (typeof inner !== 'object' || inner === null) return;
  // What wraps another schema: optional, array, pipe, union, …
  for (const name of ['innerType', 'element', 'schema', 'in', 'left', 'right', 'type'] as const) {
    if (typeof inner[name] === 'object') collect(inner[name], depth + 1, names);
  }
  if (Array.isArray(inner.options)) for (const option of inner.options) collect(option, depth + 1, names);
}

const membersOf = (value: unknown): object | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
