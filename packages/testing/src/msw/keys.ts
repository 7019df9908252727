import {
  createProblem,
  HEADER,
  type IdempotencyKey,
  type IdempotencyProblem,
  parseContractHeader,
  parseKeyHeader,
  parseKeyListHeader,
  unwrapInput,
} from '@semel/contract/v1/pure';

/** What a call's key is, and its input without an envelope. */
export type KeyOf =
  | { readonly key: IdempotencyKey; readonly input: unknown }
  | { readonly problem: IdempotencyProblem };

const refused = (code: Parameters<typeof createProblem>[0]): KeyOf => ({ problem: createProblem(code) });

/** The key of each of a request's calls, by whichever carrier it came. */
export function keysOf(headers: Headers, inputs: readonly unknown[]): readonly KeyOf[] {
  const all = (of: KeyOf): KeyOf[] => inputs.map(() => of);
  if (parseContractHeader(headers.get(HEADER.contract)) === undefined)
    return all(refused('contract_unsupported'));
  const one = headers.get(HEADER.key);
  const many = headers.get(HEADER.keys);
  const carried = one !== null || many !== null;
  if ((one !== null && many !== null) || (one !== null && inputs.length > 1))
    return all(refused('key_malformed'));
  const parsed = one === null ? undefined : parseKeyHeader(one);
  const list = many === null ? undefined : parseKeyListHeader(many);
  if (parsed?.ok === false || list?.ok === false) return all(refused('key_malformed'));
  if (list?.ok && list.keys.length !== inputs.length) return all(refused('key_malformed'));
  return inputs.map((input, index) => {
    const unwrapped = unwrapInput(input);
    if (unwrapped.enveloped) {
      return unwrapped.ok && !carried
        ? { key: unwrapped.key, input: unwrapped.input }
        : refused('key_malformed');
    }
    const key = parsed?.ok ? parsed.key : list?.ok ? list.keys[index] : undefined;
    return key === undefined ? refused('key_missing') : { key, input };
  });
}
