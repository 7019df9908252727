import type { Caller } from '../caller.ts';
import type { Random } from './random.ts';

export interface Load {
  /** Keys that were begun. */
  readonly begun: number;
  /** Of those, answered with success: by key, the effect that the caller was told of. */
  readonly acknowledged: ReadonlyMap<string, string>;
  /** Calls that got another answer than the first one for that key. */
  readonly contradictions: readonly string[];
  readonly calls: number;
  /** Waits until so many more keys were begun. */
  more(keys: number): Promise<void>;
  /** All that were answered, once more: the answer has to be the one that is known. @returns keys without an answer */
  askAgain(patienceMs: number): Promise<readonly string[]>;
  /** No new keys; what has begun is asked for again until it is answered, at most so long. @returns keys without an answer */
  finish(patienceMs: number): Promise<readonly string[]>;
}

const AGAIN_MS = 100;
/** Not one more key begun for so long: the callers are stuck. */
const STANDSTILL_MS = 60_000;

/**
 * Callers that begin keys, send duplicates of some at the same moment and of older ones now and then, and ask again until
 * they know. What each was told is kept.
 */
export function startLoad(options: {
  readonly caller: Caller;
  /** Of the servers that are there now. */
  readonly urls: () => readonly string[];
  readonly callers: number;
  readonly random: Random;
}): Load {
  const { caller, urls, callers, random } = options;
  const keys: string[] = [];
  const acknowledged = new Map<string, string>();
  const contradictions: string[] = [];
  let calls = 0;
  let isEnding = false;
  let giveUpAt = Number.POSITIVE_INFINITY;

  /** One in four is leased. */
  const procedureOf = (key: string) => (key.endsWith('l') ? 'pay' : 'order');

  /** @returns whether there was an answer */
  async function ask(key: string): Promise<boolean> {
    while (performance.now() < giveUpAt) {
      const all = urls();
      const url = all[random.below(all.length)] ?? '';
      calls += 1;
      const answer = await caller.call(url, procedureOf(key), key).catch(() => undefined);
      if (answer?.status === 200 && answer.id !== undefined) {
        const known = acknowledged.get(key);
        if (known === undefined) acknowledged.set(key, answer.id);
        else if (known !== answer.id) contradictions.push(`${key}: ${known}, then ${answer.id}`);
        return true;
      }
      // 503, 409 in flight, a cut connection: the same key again, as a client does.
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
    return false;
  }

  /** Until there are servers to ask. */
  const ready = async () => {
    while (urls().length === 0 && !isEnding) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  };
  const running = Array.from({ length: callers }, async () => {
    await ready();
    while (!isEnding) {
      const key = `op-${String(keys.length).padStart(8, '0')}${random.below(4) === 0 ? 'l' : 'a'}`;
      keys.push(key);
      const duplicates = random.below(3) === 0 ? 3 : 1;
      const older = random.below(2) === 0 ? keys[random.below(keys.length)] : undefined;
      await Promise.all([
        ...Array.from({ length: duplicates }, () => ask(key)),
        ...(older === undefined ? [] : [ask(older)]),
      ]);
    }
  });

  return {
    get begun() {
      return keys.length;
    },
    acknowledged,
    contradictions,
    get calls() {
      return calls;
    },
    async more(count) {
      const goal = keys.length + count;
      for (let seen = -1, since = 0; keys.length < goal; ) {
        if (keys.length !== seen) [seen, since] = [keys.length, performance.now()];
        if (performance.now() - since > STANDSTILL_MS)
          throw new Error(`the load stands still at ${seen} keys, ${goal} are waited for`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async askAgain(patienceMs) {
      giveUpAt = performance.now() + patienceMs;
      const left = [...acknowledged.keys()];
      const unanswered: string[] = [];
      const lane = async () => {
        for (let key = left.pop(); key !== undefined; key = left.pop()) {
          if (!(await ask(key))) unanswered.push(key);
        }
      };
      await Promise.all(Array.from({ length: callers }, lane));
      return unanswered;
    },
    async finish(patienceMs) {
      isEnding = true;
      giveUpAt = performance.now() + patienceMs;
      await Promise.all(running);
      return keys.filter((key) => !acknowledged.has(key));
    },
  };
}
