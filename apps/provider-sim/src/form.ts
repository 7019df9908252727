/** A form-encoded body or query as Stripe's clients send it: flat names with brackets, `metadata[reference]`. */
export type Params = ReadonlyMap<string, string>;

export const paramsFromForm = (text: string): Params => new Map(new URLSearchParams(text));

/** `{ reference: 'x' }` of `metadata[reference]=x`. */
export function objectFromParams(params: Params, name: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [key, value] of params) {
    if (key.startsWith(`${name}[`) && key.endsWith(']')) found[key.slice(name.length + 1, -1)] = value;
  }
  return found;
}

/** The same for the same parameters in whatever order; two lists never give one text (lengths come first). */
export const canonicalFromParams = (params: Params): string =>
  [...params]
    .map(([key, value]) => `${key.length}:${key}=${value.length}:${value}`)
    .sort()
    .join('&');
