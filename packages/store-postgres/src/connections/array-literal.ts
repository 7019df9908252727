const ESCAPED = /["\\]/g;
const NEEDS_ESCAPE = /["\\]/;

/** A Postgres array of texts as one text: faster than what pg makes of a JavaScript array. */
export function textArray(values: readonly (string | null | undefined)[]): string {
  let literal = '{';
  for (const [i, value] of values.entries()) {
    if (i > 0) literal += ',';
    if (value === null || value === undefined) literal += 'NULL';
    else literal += NEEDS_ESCAPE.test(value) ? `"${value.replace(ESCAPED, '\\$&')}"` : `"${value}"`;
  }
  return `${literal}}`;
}

export const numberArray = (values: readonly number[]): string => `{${values.join(',')}}`;
