/** When traffic counts as misuse. Every number is a floor within one window, per process. See docs/guides/misuse.md. */
export interface MisuseOptions {
  /** How long is counted, and for how long a signal of one scope and procedure is told once. @default 60_000 */
  readonly windowMs?: number;
  /** Keys and payloads remembered, as hashes; full, the oldest are forgotten. Rounded up to a power of two. @default 4_096 */
  readonly entries?: number;
  /** Equal payloads of one scope under different keys: a client that renews its key on a retry. */
  readonly renewedKeys?:
    | {
        /** Distinct keys for one payload, whatever became of them. Keys after a final failure don't count. @default 4 */
        readonly keys?: number;
        /** Distinct keys, each after a call that failed for now. @default 3 */
        readonly afterFailure?: number;
        /** Distinct keys, each while nobody could know what became of the one before. @default 2 */
        readonly inDoubt?: number;
        /** A call that has run for so long may have been given up by its caller. @default 2_000 */
        readonly runningMs?: number;
        /** Procedures in which equal calls are meant: a click counter, one more of the same into a basket. @default [] */
        readonly except?: readonly string[];
      }
    | false;
  /** @default { calls: 3 }: calls of one scope and procedure whose key had come with another payload */
  readonly changedPayloads?: { readonly calls?: number } | false;
  /** @default { calls: 30, replays: 300 }: calls under one key; replays of one scope and procedure */
  readonly replayStorms?: { readonly calls?: number; readonly replays?: number } | false;
  /** @default { keys: 5, minLength: 12 }: keys of one scope and procedure that can be guessed, or are shorter than that */
  readonly weakKeys?: { readonly keys?: number; readonly minLength?: number } | false;
  /** @default { retries: 5, minGapMs: 50 }: retries of one key sooner than that after the answer, or than it asked for */
  readonly hastyRetries?: { readonly retries?: number; readonly minGapMs?: number } | false;
  /** For tests. `monotonic` in milliseconds from anywhere, `wall` since 1970. @default the process's own */
  readonly clock?: { monotonic(): number; wall(): number };
}

const DEFAULTS = {
  renewedKeys: { keys: 4, afterFailure: 3, inDoubt: 2, runningMs: 2000, except: [] as readonly string[] },
  changedPayloads: { calls: 3 },
  replayStorms: { calls: 30, replays: 300 },
  weakKeys: { keys: 5, minLength: 12 },
  hastyRetries: { retries: 5, minGapMs: 50 },
} as const;

type Filled<Name extends keyof typeof DEFAULTS> = Required<Exclude<MisuseOptions[Name], false | undefined>>;

/** With every default filled in; `undefined` for a signal that is switched off. */
export interface MisuseLimits {
  readonly windowMs: number;
  readonly entries: number;
  readonly renewedKeys: Filled<'renewedKeys'> | undefined;
  readonly changedPayloads: Filled<'changedPayloads'> | undefined;
  readonly replayStorms: Filled<'replayStorms'> | undefined;
  readonly weakKeys: Filled<'weakKeys'> | undefined;
  readonly hastyRetries: Filled<'hastyRetries'> | undefined;
}

/** @throws TypeError for a limit that can't be one */
export function misuseLimits(options: MisuseOptions): MisuseLimits {
  const { windowMs = 60_000, entries = 4096 } = options;
  whole('windowMs', windowMs, 1, 24 * 3_600_000);
  whole('entries', entries, 4, 1_048_576);
  const filled = <Name extends keyof typeof DEFAULTS>(name: Name): Filled<Name> | undefined => {
    const given: MisuseOptions[keyof typeof DEFAULTS] = options[name];
    if (given === false) return undefined;
    const limits = { ...DEFAULTS[name], ...given };
    for (const [field, value] of Object.entries(limits)) {
      if (field !== 'except') whole(`${name}.${field}`, value, field === 'inDoubt' ? 2 : 1, 1_000_000);
    }
    return limits as unknown as Filled<Name>;
  };
  return {
    windowMs,
    entries,
    renewedKeys: filled('renewedKeys'),
    changedPayloads: filled('changedPayloads'),
    replayStorms: filled('replayStorms'),
    weakKeys: filled('weakKeys'),
    hastyRetries: filled('hastyRetries'),
  };
}

function whole(name: string, value: unknown, min: number, max: number): void {
  if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return;
  throw new TypeError(
    `misuse.${name} must be a whole number between ${min} and ${max}, not ${String(value)}`,
  );
}
