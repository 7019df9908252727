import type { Payload } from './payload.ts';

const WHOLE = /^\{\{(\w+)\}\}$/;
const PART = /\{\{(\w+)\}\}/g;

/** What a template may name. */
const NAMES = ['reference', 'amount', 'delayMs', 'memo', 'answer', 'failure'] as const;

/**
 * Fills a template of a body. A text that is `{{amount}}` and nothing else becomes the payload's value with its type, or
 * leaves its member out where the payload has none; within a longer text it becomes text.
 *
 * @throws Error for a name that no payload has
 * @example fill({ sku: '{{reference}}', quantity: '{{amount}}' }, { reference: 'r-1', amount: 2 }) // { sku: 'r-1', quantity: 2 }
 */
export function fill(template: unknown, payload: Payload): unknown {
  if (typeof template === 'string') {
    const whole = WHOLE.exec(template)?.[1];
    if (whole !== undefined) return valueIn(payload, whole);
    return template.replace(PART, (_, name: string) => textOf(valueIn(payload, name)));
  }
  if (Array.isArray(template)) {
    return template.map((each) => fill(each, payload)).filter((each) => each !== undefined);
  }
  if (typeof template !== 'object' || template === null) return template;
  const filled = Object.entries(template).map(([name, each]) => [name, fill(each, payload)] as const);
  return Object.fromEntries(filled.filter(([, value]) => value !== undefined));
}

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? '');

function valueIn(payload: Payload, name: string): unknown {
  const known = NAMES.find((each) => each === name);
  if (known === undefined) {
    throw new Error(
      `{{${name}}} is nothing that a payload has: ${NAMES.map((each) => `{{${each}}}`).join(', ')}`,
    );
  }
  return payload[known];
}
