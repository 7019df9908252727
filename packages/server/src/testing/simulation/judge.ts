import { isSettled, isTransition } from '@semel/contract/v1/pure';
import type { RunResult } from '../../engine/request.ts';
import type { MemoryStore } from '../../store/memory.ts';
import { EXPIRY_GRACE_MS, type OperationRecord } from '../../store/port.ts';
import { type Answer, type Effect, type Intent, identityOf } from './handlers.ts';
import type { Procedure } from './procedures.ts';
import type { Provider } from './provider.ts';
import type { World } from './world.ts';

interface Known {
  readonly intent: Intent;
  readonly payloads: Set<string>;
  /** Final answers of different operations under this key, by when they were settled. */
  readonly settled: Map<string, number>;
}

/** Looks at what the store of record, the provider and the callers know, and says what must never be. */
export interface Judge {
  /** Somebody sends this. */
  asked(intent: Intent): void;
  /** A process has begun to run an attempt. */
  runs(operationId: string, attempt: number): void;
  /** A process is about to answer. Reads the store as it is, with no line between. */
  answered(intent: Intent, result: RunResult, ageMs: number | undefined): Promise<void>;
  /** Something may have been committed. */
  committed(): void;
  /** Histories and records, as long as they are kept. */
  audit(): Promise<void>;
  /** At the end. */
  verdict(): Promise<void>;
  readonly intents: () => readonly Intent[];
  /** Operations that somebody was told were completed or failed. */
  readonly told: ReadonlyMap<string, string>;
}

export function createJudge(world: World, store: MemoryStore, provider: Provider): Judge {
  const known = new Map<string, Known>();
  const told = new Map<string, string>();
  const seen = new Map<string, { readonly attempt: number; readonly settled: string | undefined }>();
  const ran = new Set<string>();
  const failed = new Set<string>();
  const effects: (Effect & { readonly at: number })[] = [];

  function see(record: OperationRecord): void {
    const { operationId, attempt, state, outcome } = record;
    const before = seen.get(operationId);
    const settled = isSettled(state) ? `${state} ${outcome}` : undefined;
    if (before !== undefined && attempt < before.attempt) world.violate('a fence went back');
    if (before?.settled !== undefined && before.settled !== settled)
      world.violate('a settled operation changed');
    seen.set(operationId, { attempt, settled });
    if (settled === undefined) return;
    known
      .get(`${record.scope}/${record.procedure}/${record.key}`)
      ?.settled.set(operationId, record.updatedAt);
  }

  async function auditHistory(record: OperationRecord): Promise<void> {
    const history = await store.history(record.operationId);
    let [state, attempt] = [null as OperationRecord['state'] | null, 0];
    for (const [index, row] of history.entries()) {
      if (row.from !== state || row.seq !== index + 1) world.violate('a gap in a history');
      if (!isTransition(row.from, row.to, row.cause))
        world.violate(`${row.from} to ${row.to} (${row.cause}) is not in the table`);
      if (row.attempt < attempt) world.violate('a fence went back');
      [state, attempt] = [row.to, row.attempt];
    }
    if (state !== record.state || attempt !== record.attempt)
      world.violate('record and history say different things');
  }

  /** Two of the same are two incarnations of the key, or one too many. */
  function atMostOne(what: string, found: readonly { identity: string; at: number }[], ttlMs: number): void {
    const last = new Map<string, number>();
    for (const { identity, at } of found) {
      const before = last.get(identity);
      if (before !== undefined && at - before < ttlMs + EXPIRY_GRACE_MS) world.violate(`two ${what}`);
      last.set(identity, at);
    }
  }

  function checkCompleted(intent: Intent, result: RunResult & { kind: 'completed' }): void {
    const value = result.value as Answer;
    const { procedure } = intent;
    if (value.tenant !== intent.tenant) world.violate("another tenant's answer");
    if (value.operationId !== result.operationId) world.violate("another operation's answer");
    const lenient = procedure.policies[0]?.mismatch === 'replay' && result.replayed;
    if (!lenient && value.payload !== intent.payload) world.violate("another payload's answer");
    const { effect, execution } = value;
    if (effect === 'none') return;
    if (!effects.some((one) => one.what === effect && one.execution === execution))
      world.violate('completed without its effect');
  }

  async function checkFailed(intent: Intent, operationId: string): Promise<void> {
    failed.add(operationId);
    await checkCharges(operationId);
    const lenient = intent.procedure.policies[0]?.mismatch === 'replay';
    if (!lenient && intent.payload.startsWith('paid')) world.violate('failed without a reason');
  }

  /** Who says no knows what has been charged: a charge whose answer nobody has got is no "no". */
  async function checkCharges(operationId: string): Promise<void> {
    const charged = provider.charges.filter((charge) => charge.operationId === operationId);
    if (charged.length === 0 || (await store.find(operationId)) === undefined) return;
    const steps = new Set((await store.steps(operationId)).map(({ name }) => name));
    if (charged.some(({ step }) => !steps.has(step))) world.violate('failed, and it was charged');
  }

  return {
    told,
    intents: () => [...known.values()].map(({ intent }) => intent),
    asked(intent) {
      const identity = identityOf(intent);
      const entry = known.get(identity) ?? { intent, payloads: new Set(), settled: new Map() };
      entry.payloads.add(intent.payload);
      known.set(identity, entry);
    },
    runs(operationId, attempt) {
      const run = `${operationId} ${attempt}`;
      if (ran.has(run)) world.violate('one attempt ran twice');
      ran.add(run);
    },
    async answered(intent, result, ageMs) {
      if (result.kind === 'accepted') return;
      if (result.kind === 'refused') {
        const { code } = result.problem;
        if (code === 'key_reused' && known.get(identityOf(intent))?.payloads.size === 1)
          world.violate('key_reused for the only payload there is');
        if (code === 'outcome_gone') world.violate('an answer is gone');
        if (code === 'key_expired' && (ageMs ?? 0) <= (intent.procedure.policies[0]?.ttlMs ?? 0) / 2)
          world.violate('key_expired for a young key');
        return;
      }
      const found = (await store.find(result.operationId))?.record;
      const { operationId } = result;
      const said = result.kind === 'completed' ? result.value : result.error;
      const text = `${result.kind} ${JSON.stringify(said)}`;
      const before = told.get(operationId);
      if (before !== undefined && before !== text) world.violate('two callers were told different things');
      told.set(operationId, text);
      if (found !== undefined) {
        see(found);
        const { ok, value, error } = JSON.parse(found.outcome ?? '{}') as {
          ok?: boolean;
          value?: { json: unknown };
          error?: unknown;
        };
        const stored = `${ok ? 'completed' : 'failed'} ${JSON.stringify(ok ? value?.json : error)}`;
        if (stored !== text || found.state !== result.kind)
          world.violate('a caller was told what is not stored');
      } else if (!seen.has(operationId)) world.violate('a caller was told what is not stored');
      if (result.kind === 'completed') checkCompleted(intent, result);
      else await checkFailed(intent, operationId);
    },
    committed() {
      if (store.committed.size === effects.length) return;
      let index = 0;
      for (const effect of store.committed.values()) {
        if (index++ < effects.length) continue;
        effects.push({ ...(effect as Effect), at: world.now() });
      }
    },
    async audit() {
      for (const { intent } of known.values()) {
        const { tenant, procedure, key } = intent;
        const found = await store.lookup({ scope: tenant, procedure: procedure.name, key });
        if (found === undefined) continue;
        see(found.record);
        await auditHistory(found.record);
      }
    },
    async verdict() {
      for (const operationId of failed) await checkCharges(operationId);
      if (effects.some(({ doomed }) => doomed.yes)) world.violate('what was rolled back is there');
      for (const [identity, { intent, settled }] of known) {
        const { ttlMs } = firstPolicy(intent.procedure);
        const mine = effects.filter((effect) => effect.identity === identity);
        for (const whats of [['written', 'settled'], ['nested'], ['note']]) {
          const same = mine.filter(({ what }) => whats.includes(what));
          atMostOne('effects', same, ttlMs);
        }
        const charges = provider.charges.filter((charge) => charge.identity === identity);
        for (const step of ['charge', 'second']) {
          atMostOne(
            'charges',
            charges.filter((charge) => charge.step === step),
            ttlMs,
          );
          const operations = charges.filter((charge) => charge.step === step).map((c) => c.operationId);
          if (new Set(operations).size < operations.length) world.violate('two charges');
        }
        const ends = [...settled.values()].sort((a, b) => a - b).map((at) => ({ identity, at }));
        atMostOne('outcomes', ends, ttlMs);
      }
    },
  };
}

const firstPolicy = (procedure: Procedure) => procedure.policies[0] as Procedure['policies'][number];
