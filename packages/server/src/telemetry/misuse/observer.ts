import type { Emit } from '../events.ts';
import { changedPayload } from './changed-payload.ts';
import { endingOf, type WatchedResult } from './ending.ts';
import { createHasher, type Hash, START } from './hash.ts';
import { hastyRetry, keyAnswered } from './hasty-retry.ts';
import { type MisuseOptions, misuseLimits } from './options.ts';
import {
  forgetPayload,
  newPayload,
  payloadEnded,
  renewedKey,
  type SeenPayload,
  turnPayload,
} from './renewed-key.ts';
import { callerStorm, keyStorm } from './replay-storm.ts';
import { forgetTold, type MisuseSignal, newTold, tell } from './reports.ts';
import { forgetCaller, newCaller, type SeenCaller, turnCaller } from './seen-caller.ts';
import { forgetKey, newKey, type SeenKey, turnKey } from './seen-key.ts';
import { countedUp, type Weakness, weakKey, weaknessOf } from './weak-key.ts';
import { createWindowTable } from './window-table.ts';

/** As much of a call as is looked at. */
export interface WatchedCall {
  readonly scope: string;
  readonly procedure: string;
  readonly key: string;
  readonly fingerprint: string;
  readonly policy: { readonly key: 'required' | 'optional' | 'derived' };
  /**
   * What the caller's software calls itself, `''` where it doesn't. `undefined`: the call was made within this process,
   * whose keys are the ids of other systems; what they look like says nothing about anybody.
   */
  readonly clientVersion?: string | undefined;
}

/** Puts an observer around whatever every keyed call passes. It changes nothing about a call, nor waits for anything. */
export type WatchCalls = <C extends WatchedCall, H, R extends WatchedResult>(
  run: (call: C, handler: H) => Promise<R>,
) => (call: C, handler: H) => Promise<R>;

export interface MisuseWatch {
  readonly watch: WatchCalls;
  /** Things remembered at this moment. Never more than about 4 × `entries`. */
  readonly remembered: number;
}

/** What is kept of a call until it ends. */
interface Arrived {
  readonly payload: SeenPayload;
  readonly payloadLife: number;
  readonly key: SeenKey;
  readonly keyLife: number;
  readonly caller: SeenCaller;
  readonly callerLife: number;
  /** Of scope and procedure, and of the key. */
  readonly base: Hash;
  readonly keyHash: number;
}

const systemClock = { monotonic: () => performance.now(), wall: () => Date.now() };

/**
 * Finds callers that use keys in a way from which no server can protect them, or that costs everybody. Memory is fixed, keys
 * and payloads are remembered as hashes only, and nothing is asked: it sees what passes through this one process.
 *
 * @throws TypeError for a limit that can't be one
 */
export function createMisuseWatch(options: MisuseOptions, emit: Emit): MisuseWatch {
  const limits = misuseLimits(options);
  const { windowMs, entries, renewedKeys, changedPayloads, replayStorms, weakKeys, hastyRetries } = limits;
  const { clock = systemClock } = options;
  const hash = createHasher();
  const equalIsMeant = new Set(renewedKeys?.except);
  const size = { entries, windowMs };
  const payloads = createWindowTable({
    ...size,
    create: newPayload,
    forget: forgetPayload,
    turn: turnPayload,
  });
  const keys = createWindowTable({ ...size, create: newKey, forget: forgetKey, turn: turnKey });
  const callers = createWindowTable({ ...size, create: newCaller, forget: forgetCaller, turn: turnCaller });
  const reports = createWindowTable({ ...size, create: newTold, forget: forgetTold, turn: () => {} });

  function found(
    signal: MisuseSignal,
    call: WatchedCall,
    base: Hash,
    count: number,
    now: number,
    reason?: Weakness,
  ): void {
    const { scope, procedure, clientVersion } = call;
    const suppressed = tell(reports.at(base, now), signal, now, windowMs);
    if (suppressed === undefined) return;
    emit({
      type: 'misuse',
      signal,
      scope,
      procedure,
      count,
      suppressed,
      windowMs,
      ...(clientVersion !== undefined && clientVersion !== '' && { clientVersion }),
      ...(reason !== undefined && { reason }),
    });
  }

  /** A key's looks are judged once, when it is new: a weak key that is retried is one weak key. */
  function look(call: WatchedCall, caller: SeenCaller, base: Hash, now: number): void {
    if (weakKeys === undefined || call.clientVersion === undefined) return;
    const counted = countedUp(call.key, caller, hash, base);
    const weakness =
      weaknessOf(call.key, call.scope, clock.wall(), weakKeys) ?? (counted ? 'sequential' : undefined);
    if (weakness === undefined) return;
    const count = weakKey(caller, weakKeys);
    if (count > 0) found('weak_key', call, base, count, now, weakness);
  }

  function arrived(call: WatchedCall): Arrived {
    const now = clock.monotonic();
    const base = hash(hash(START, call.scope), call.procedure);
    const keyHash = hash(base, call.key);
    const payload = payloads.at(hash(base, call.fingerprint), now);
    const key = keys.at(keyHash, now);
    const caller = callers.at(hash(base, call.clientVersion ?? ''), now);

    if (renewedKeys !== undefined && !equalIsMeant.has(call.procedure)) {
      const count = renewedKey(payload, keyHash.lo, now, renewedKeys, windowMs);
      if (count > 0) found('renewed_key', call, base, count, now);
    }
    if (key.calls === 0) look(call, caller, base, now);
    key.calls++;
    if (replayStorms !== undefined) {
      const count = keyStorm(key, replayStorms);
      if (count > 0) found('replay_storm', call, base, count, now);
    }
    if (hastyRetries !== undefined) {
      const count = hastyRetry(key, now, hastyRetries);
      if (count > 0) found('hasty_retry', call, base, count, now);
    }
    key.running++;
    return {
      payload,
      payloadLife: payload.life,
      key,
      keyLife: key.life,
      caller,
      callerLife: caller.life,
      base,
      keyHash: keyHash.lo,
    };
  }

  function ended(call: WatchedCall, seen: Arrived, result: WatchedResult | undefined): void {
    const now = clock.monotonic();
    const { payload, key, caller, base } = seen;
    if (payload.life === seen.payloadLife) payloadEnded(payload, seen.keyHash, endingOf(result), now);
    if (key.life === seen.keyLife) keyAnswered(key, now, result?.problem?.retryAfterMs);
    if (caller.life !== seen.callerLife) return;
    if (changedPayloads !== undefined) {
      const count = changedPayload(caller, result, changedPayloads);
      if (count > 0) found('changed_payload', call, base, count, now);
    }
    if (replayStorms !== undefined) {
      const count = callerStorm(caller, result, replayStorms);
      if (count > 0) found('replay_storm', call, base, count, now);
    }
  }

  return {
    watch: (run) => (call, handler) => {
      if (isUnkeyed(call)) return run(call, handler);
      const seen = arrived(call);
      const result = run(call, handler);
      result.then(
        (value) => ended(call, seen, value),
        () => ended(call, seen, undefined),
      );
      return result;
    },
    get remembered() {
      return payloads.size + keys.size + callers.size + reports.size;
    },
  };
}

/** Where a key is optional and none was sent, admission makes one that nobody can repeat. */
const isUnkeyed = ({ key, policy }: WatchedCall): boolean =>
  policy.key === 'optional' && key.startsWith('none:');
