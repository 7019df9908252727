import type { Layers } from '../store/layers.ts';
import { type EngineContext, identityOf } from './engine-context.ts';
import { replayedFrom } from './replay.ts';
import type { Call, RunResult } from './request.ts';

/**
 * How long somebody else's being at it is believed without asking the store of record: a server that died holding it, or
 * a layer that lies, costs this much and no more.
 */
const MAX_BELIEVED_MS = 1000;

/** How a mode runs a call on the store of record. */
export type RunOnAuthority<Tx> = (context: EngineContext<Tx>, call: Call<Tx>) => Promise<RunResult>;

/** Asks the layers first, as the call's owner; what they don't answer, `run` does on the store of record. */
export function behindLayers<Tx>(
  context: EngineContext<Tx>,
  call: Call<Tx>,
  run: RunOnAuthority<Tx>,
): Promise<RunResult> {
  const { layers } = context;
  return layers === undefined ? run(context, call) : askFirst(context, layers, call, run);
}

async function askFirst<Tx>(
  context: EngineContext<Tx>,
  layers: Layers,
  call: Call<Tx>,
  run: RunOnAuthority<Tx>,
): Promise<RunResult> {
  try {
    return (await ask(context, layers, call)) ?? (await run(context, call));
  } finally {
    layers.done(identityOf(call.request), call.owner);
  }
}

/**
 * A replay, or `undefined`: ask the store of record. A layer may only say yes. That a key is reused, gone or in flight is
 * for the store of record to say; that is seldom.
 */
async function ask<Tx>(
  context: EngineContext<Tx>,
  layers: Layers,
  { request, owner, deadline }: Call<Tx>,
): Promise<RunResult | undefined> {
  const { policy } = request;
  const holdMs = policy.mode === 'atomic' ? policy.maxRunMs : policy.leaseMs;
  const until = Math.min(deadline, performance.now() + MAX_BELIEVED_MS);
  for (;;) {
    const asked = await layers.ask(identityOf(request), owner, holdMs);
    if (asked.kind === 'none') return undefined;
    if (asked.kind === 'settled') {
      const { entry, layer } = asked;
      const judged = context.sealing.judge(entry.fingerprint, request.fingerprint, request);
      const same = judged === 'same' || policy.mismatch === 'replay';
      return same ? replayedFrom(context, request, entry, layer) : undefined;
    }
    const leftMs = until - performance.now();
    if (leftMs <= 0) return undefined;
    const waited = await context.waiters.admit(() => asked.changed(leftMs).then(() => true));
    if (waited === undefined) return undefined;
  }
}
