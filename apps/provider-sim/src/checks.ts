import { type Answer, errorAnswer, Refused } from './answer.ts';
import type { Params } from './form.ts';

/** A whole number of minor units above zero; `undefined` if absent. */
export function amountOf(params: Params, name: string): number | undefined {
  const text = params.get(name);
  if (text === undefined) return undefined;
  const amount = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(amount))
    return invalid(name, `Invalid integer: ${text}`);
  return amount > 0 ? amount : invalid(name, 'This value must be greater than or equal to 1.');
}

export function invalid(param: string, message: string): never {
  return refuse(errorAnswer(400, 'invalid_request_error', message, { code: 'parameter_invalid', param }));
}

/** Before anything was executed, see `Refused`. */
export function refuse(answer: Answer): never {
  throw new Refused(answer);
}
