import { type LayerAnswer, NOTHING_KNOWN } from '@semel/server/store';
import type { Runner } from './run-script.ts';
import { ask, askTogether } from './scripts/ask.ts';

/** What lies at the key. Never rejects, and takes one time-out at most. */
export type Asks = (key: string, owner: string, holdMs: number) => Promise<LayerAnswer>;

export interface AsksOptions extends Runner {
  readonly timeoutMs: number;
  /** Whether all keys live in one place. On a Cluster each has a slot of its own, and one command can't ask for two. */
  readonly isOne: boolean;
  /** Told of each that asked. */
  readonly succeeded: () => void;
  readonly failed: (key: string, error: unknown) => void;
}

interface Asking {
  readonly key: string;
  readonly owner: string;
  readonly holdMs: number;
  readonly answer: (answer: LayerAnswer) => void;
}

// Taken when the module loads: a test's fake timers, installed later, hold nobody up.
const whenTurnEnds = setImmediate;

/** Redis does nothing else while it answers one command. */
const MAX_TOGETHER = 64;

/** Worth a command of their own while Redis has nothing of ours to do: it works while this process reads on. */
const ENOUGH = 8;

/**
 * Who asks in one turn of the event loop asks together: one command, one answer, one timer. Nobody waits for longer than that
 * turn, whose end no answer could be read before, nor for another's answer. Who asks alone sends what it always sent.
 * See docs/decisions/0020-asking-redis-together.md.
 */
export function createAsks({ run, sendNow, timeoutMs, isOne, succeeded, failed }: AsksOptions): Asks {
  let asking: Asking[] = [];
  let mayShare = isOne;
  let underWay = 0;

  function sent(
    running: Promise<unknown>,
    answered: (value: unknown) => void,
    refused: (error: unknown) => void,
  ): void {
    underWay++;
    running.then(
      (value) => {
        underWay--;
        answered(value);
      },
      (error: unknown) => {
        underWay--;
        refused(error);
      },
    );
  }

  function refuse({ key, answer }: Asking, error: unknown): void {
    failed(key, error);
    answer(NOTHING_KNOWN);
  }

  function found({ answer }: Asking, value: unknown): void {
    succeeded();
    answer(answerFrom(value));
  }

  function alone(one: Asking, deadline?: number): void {
    sent(
      run(ask, 1, [one.key, one.owner, one.holdMs], deadline),
      (value) => found(one, value),
      (error) => refuse(one, error),
    );
  }

  function together(asked: readonly Asking[]): void {
    const deadline = performance.now() + timeoutMs;
    const args: (string | number)[] = asked.map(({ key }) => key);
    for (const { owner, holdMs } of asked) args.push(owner, holdMs);
    sent(
      run(askTogether, asked.length, args),
      (values) => {
        for (let i = 0; i < asked.length; i++) {
          const one = asked[i] as Asking;
          const value = (values as readonly unknown[])[i];
          if (value === 'A') alone(one, deadline);
          else if (value instanceof Error) refuse(one, value);
          else found(one, value);
        }
      },
      (error) => {
        // A proxy in front of a Cluster looks like one Redis, until it is asked for two keys.
        const isApart = String(error).includes('CROSSSLOT');
        if (isApart) mayShare = false;
        for (const one of asked) {
          if (isApart) alone(one, deadline);
          else refuse(one, error);
        }
      },
    );
  }

  function send(): void {
    const asked = asking;
    asking = [];
    const [first] = asked;
    if (first !== undefined && asked.length === 1) alone(first);
    else if (first !== undefined) together(asked);
  }

  return (key, owner, holdMs) =>
    new Promise((answer) => {
      const one = { key, owner, holdMs, answer };
      if (!mayShare) return alone(one);
      if (asking.length === 0) whenTurnEnds(send);
      const many = asking.push(one);
      if (many < ENOUGH || (many < MAX_TOGETHER && underWay > 0)) return;
      send();
      sendNow();
    });
}

function answerFrom(found: unknown): LayerAnswer {
  if (found === 'H') return { kind: 'none', held: true };
  if (found === 'L') return { kind: 'held' };
  if (typeof found !== 'string' || !found.startsWith('E')) return NOTHING_KNOWN;
  return { kind: 'entry', text: found.slice(1) };
}
