/**
 * `<length in bytes of UTF-8>:<text>,` – a length in front of every part, so that no two lists of parts make the same text.
 *
 * @throws TypeError for a lone surrogate: UTF-8 has no form for it, and two different texts would become one.
 */
export function netstring(text: string): string {
  if (!NOT_ASCII.test(text)) return `${text.length}:${text},`;
  if (LONE_SURROGATE.test(text)) throw new TypeError('a name with a lone surrogate has no UTF-8 form');
  return `${new TextEncoder().encode(text).length}:${text},`;
}

const NOT_ASCII = /[^ -~]/;
const LONE_SURROGATE = /\p{Surrogate}/u;
