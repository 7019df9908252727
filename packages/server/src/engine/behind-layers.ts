import type { Asked, Layers } from '../store/layers.ts';
import { type EngineContext, identityOf } from './engine-context.ts';
import { replayedFrom } from './replay.ts';
import type { Call, RunRequest, RunResult } from './request.ts';

/**
 * How long somebody else's being at it is believed without asking the store of record: a server that died holding it, or
 * a layer that lies, costs this much and no more.
 */
const MAX_BELIEVED_MS = 1000;

type Settled = Extract<Asked, { kind: 'settled' }>;
type Held = Extract<Asked, { kind: 'held' }>;

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
  const { request, owner } = call;
  const { policy } = request;
  const identity = identityOf(request);
  const holdMs = policy.mode === 'atomic' ? policy.maxRunMs : policy.leaseMs;
  try {
    let asked = await layers.ask(identity, owner, holdMs);
    if (asked.kind === 'held') {
      const until = Math.min(call.deadline, performance.now() + MAX_BELIEVED_MS);
      const askAgain = (): Promise<Asked> => layers.ask(identity, owner, holdMs);
      asked = await outlast(context, asked, until, askAgain);
    }
    const found = asked.kind === 'settled' ? replayFrom(context, request, asked) : undefined;
    return found ?? (await run(context, call));
  } finally {
    layers.done(identity, owner);
  }
}

/**
 * A replay, or `undefined`: ask the store of record. A layer may only say yes. That a key is reused, gone or in flight is
 * for the store of record to say; that is seldom.
 */
function replayFrom<Tx>(
  context: EngineContext<Tx>,
  request: RunRequest,
  { entry, layer }: Settled,
): RunResult | undefined {
  const judged = context.sealing.judge(entry.fingerprint, request.fingerprint, request);
  const same = judged === 'same' || request.policy.mismatch === 'replay';
  return same ? replayedFrom(context, request, entry, layer) : undefined;
}

/** Waits for as long as somebody else is at it. Still `held` after `until`, or when too many wait already. */
async function outlast<Tx>(
  context: EngineContext<Tx>,
  held: Held,
  until: number,
  askAgain: () => Promise<Asked>,
): Promise<Asked> {
  for (let asked: Asked = held; ; asked = await askAgain()) {
    if (asked.kind !== 'held') return asked;
    const { changed } = asked;
    const leftMs = until - performance.now();
    if (leftMs <= 0) return asked;
    const waited = await context.waiters.admit(() => changed(leftMs).then(() => true));
    if (waited === undefined) return asked;
  }
}
