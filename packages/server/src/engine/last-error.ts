/** Why an attempt failed, in a line for people: kept with the work until it is settled. */
export interface LastError {
  readonly text: string;
  /** The step that it came from, where that is known. */
  readonly step?: string;
}

const MAX_CHARS = 2000;
const MAX_CAUSES = 6;

/** As it is kept, before it is sealed. */
export function lastErrorFrom(error: unknown, step?: string): string {
  const text = textOf(error).slice(0, MAX_CHARS);
  return JSON.stringify(step === undefined ? { text } : { text, step });
}

/** `undefined` for what isn't one. */
export function lastErrorIn(kept: unknown): LastError | undefined {
  const { text, step } = (kept ?? {}) as Partial<Record<keyof LastError, unknown>>;
  if (typeof text !== 'string') return undefined;
  return typeof step === 'string' ? { text, step } : { text };
}

/** With its causes in short: `fetch failed` alone says nothing that anybody could mend. */
function textOf(error: unknown): string {
  try {
    const said: string[] = [];
    const chain = causesOf(error);
    for (const [i, each] of chain.entries()) {
      // What a framework only wraps says the same again.
      const next = chain[i + 1];
      if (each instanceof Error && next instanceof Error && each.message === next.message) continue;
      const text = saidBy(each);
      if (text !== '' && !said.some((before) => before.includes(text))) said.push(text);
    }
    return said.join(': ');
  } catch {
    return 'What was thrown has no text';
  }
}

/** The error and what it was caused by, outermost first. */
export function causesOf(error: unknown): readonly unknown[] {
  const chain = new Set([error]);
  for (let each = error; each instanceof Error && each.cause !== undefined; each = each.cause) {
    if (chain.size >= MAX_CAUSES || chain.has(each.cause)) break;
    chain.add(each.cause);
  }
  return [...chain];
}

function saidBy(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { name, message } = error;
  // Node's errors about addresses of which none answers have a code and no message.
  const what = message === '' ? (error as { readonly code?: unknown }).code : message;
  if (typeof what !== 'string' || what === '') return name;
  return name === 'Error' || message === '' ? what : `${name}: ${what}`;
}
