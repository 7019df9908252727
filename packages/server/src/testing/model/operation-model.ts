import { isSettled, type OperationState, TRANSITIONS, type TransitionCause } from '@semel/contract/v1/pure';
import { decide } from '../../engine/decide.ts';
import type { Sighting } from '../../store/port.ts';
import type { Model } from './checker.ts';
import {
  type Answer,
  type Call,
  change,
  enter,
  finish,
  freeId,
  leave,
  type State,
  type Stored,
  withJob,
  without,
} from './operation-state.ts';

/** What an operation was claimed under, and what kind of provider stands behind it. */
export interface Setting {
  readonly mode: 'atomic' | 'leased' | 'queued';
  readonly onCrash: 'suspend' | 'resume';
  /** Whether the provider recognises child keys, as long as it remembers them. */
  readonly keyed: boolean;
  /** A "no" instead of a charge. */
  readonly declines?: boolean;
  /** Processes that die, and answers that get lost on the way. */
  readonly faults: number;
  readonly operators: number;
}

/** Each of them is what a reasonable person might write. The checker must find all. */
export type Mistake =
  | 'a guard that only counts rows'
  | 'effect and outcome in two commits'
  | 'claim without compare-and-swap'
  | 'takeover of a live lease'
  | 'recovery by today’s code instead of the record'
  | 'child key from the attempt'
  | 'window ignored'
  | 'unknown answer stored as failed'
  | 'answered before the commit'
  | 'redelivered job runs beside its owner'
  | 'job acknowledged by operation instead of by delivery'
  | 'redrive in two commits'
  | 'a lost job that nobody misses'
  | 'resolved while an attempt may still act';

/** Processes at work on the same key at the same time. */
const AT_ONCE = 2;
const MAX_ATTEMPTS = 3;

export function operationModel(setting: Setting, mistake?: Mistake): Model<State> {
  const { mode, onCrash, keyed } = setting;
  const wrong = (which: Mistake) => mistake === which;
  const result: Answer = setting.declines ? 'no' : 'yes';
  // It would make up for these within half a minute: they are found without it.
  const heals = !(
    wrong('a lost job that nobody misses') ||
    wrong('job acknowledged by operation instead of by delivery') ||
    wrong('redrive in two commits')
  );

  return {
    initial: {
      stored: null,
      calls: [],
      job: null,
      windowOpen: true,
      remembered: [],
      charges: 0,
      effects: 0,
      answers: [],
      faults: setting.faults,
      operators: setting.operators,
    },
    next,
    violation,
    isOver: ({ stored }) =>
      stored !== null && (isSettled(stored.state) || stored.state === 'suspended' || stored.state === 'dead'),
  };

  function violation(s: State): string | undefined {
    const { stored } = s;
    if (s.forbidden !== undefined) return s.forbidden;
    if (s.charges > 1) return 'charged twice';
    if (s.effects > 1) return 'two effects';
    if (s.answers.length > 1) return 'two callers were told different things';
    const [answer] = s.answers;
    if (answer !== undefined && stored?.outcome !== answer) return 'a caller was told what is not stored';
    if (stored?.cause === 'succeeded' && s.effects !== 1) return 'completed without its effect';
    if (stored?.state === 'failed' && s.charges + s.effects > 0) return 'failed, and it had its effect';
    if (stored?.state === 'accepted' && s.job === null && !heals)
      return 'accepted, and nobody will ever work on it';
    return undefined;
  }

  function* next(s: State): Generator<readonly [string, State]> {
    yield* arrivals(s);
    yield* time(s);
    yield* recovery(s);
    yield* operator(s);
    for (const call of s.calls) {
      for (const [what, state] of steps(s, call)) yield [`${call.by} ${call.id}: ${what}`, state];
      if (s.faults > 0)
        yield [`${call.by} ${call.id} is killed`, leave({ ...s, faults: s.faults - 1 }, call)];
    }
  }

  function* arrivals(s: State): Generator<readonly [string, State]> {
    if (s.calls.length >= AT_ONCE) return;
    const id = freeId(s);
    const call: Call = { id, by: 'request', at: 'look', attempt: 0, seen: 0 };
    yield [`request ${id} comes`, enter(s, call)];
    // At least once: a job is delivered again while somebody may still be at it.
    if (s.job !== null) yield [`job is delivered to ${id}`, enter(s, { ...call, by: 'worker', job: s.job })];
  }

  function* time(s: State): Generator<readonly [string, State]> {
    const { stored } = s;
    if (s.job !== null && s.faults > 0)
      yield ['the queue loses the job', { ...s, job: null, faults: s.faults - 1 }];
    if (stored?.lease) yield ['the lease runs out', { ...s, stored: { ...stored, lease: false } }];
    if (mode === 'atomic') return;
    if (s.windowOpen) yield ['the downstream window closes', { ...s, windowOpen: false }];
    // What lies between the window and the provider's own retention: no process sleeps so long between look and call.
    else if (s.remembered.length > 0 && !s.calls.some(({ at }) => at === 'act')) {
      yield ['the provider forgets', { ...s, remembered: [] }];
    }
  }

  /** Any server, without a leader. Changes records and runs nothing. */
  function* recovery(s: State): Generator<readonly [string, State]> {
    const { stored } = s;
    const mayStart =
      stored?.state === 'accepted' || (stored?.state === 'processing' && !stored.lease && resumable(s));
    if (mode === 'queued' && heals && s.job === null && mayStart)
      yield ['another job is sent for it', withJob(s)];
    if (stored?.state !== 'processing' || stored.lease || resumable(s)) return;
    if (judged(s) === 'suspend') yield ['the sweep suspends it', moved(s, 'suspended', 'outcome_unknown')];
    else yield ['the sweep finds its last attempt lost', moved(s, 'dead', 'exhausted')];
  }

  function* operator(s: State): Generator<readonly [string, State]> {
    const { stored } = s;
    if (s.redriving) {
      yield ['operator: enqueues it', withJob(without(s, 'redriving'))];
      if (s.faults > 0)
        yield ['operator: the command dies', { ...without(s, 'redriving'), faults: s.faults - 1 }];
    }
    if (s.operators === 0 || (stored?.state !== 'suspended' && stored?.state !== 'dead')) return;
    const t = { ...s, operators: s.operators - 1 };
    // Longer than a handler may run at all after the last attempt: then nobody is on the way to the provider any more.
    const quiet = !s.calls.some(({ at }) => at === 'act') || wrong('resolved while an attempt may still act');
    if (quiet) {
      const happened = s.charges > 0;
      const resolved = moved(t, happened ? 'completed' : 'failed', 'resolved');
      yield [
        'operator: resolves it by what the provider shows',
        { ...resolved, stored: { ...(resolved.stored as Stored), outcome: happened ? 'yes' : 'no' } },
      ];
    }
    const safe = keyed ? s.windowOpen || wrong('window ignored') : s.charges === 0 && quiet;
    if (mode === 'queued' && safe) {
      const accepted = moved(t, 'accepted', 'redriven', 1);
      if (wrong('redrive in two commits'))
        yield ['operator: redrives it', { ...accepted, job: null, redriving: true }];
      else yield ['operator: redrives it', withJob(accepted)];
    }
  }

  function* steps(s: State, call: Call): Generator<readonly [string, State]> {
    const go = (to: Partial<Call>, state = s) => change(state, call, to);
    const { stored } = s;
    const mine =
      stored?.state === 'processing' && stored.owner === call.id && stored.attempt === call.attempt;

    switch (call.at) {
      case 'look':
        yield look(s, call);
        return;

      case 'claim': {
        const unchanged = (stored?.version ?? 0) === call.seen || wrong('claim without compare-and-swap');
        if (!unchanged) {
          yield ['lost the race, looks again', go({ at: 'look' })];
          return;
        }
        const [what, state] = claimed(s, call);
        yield [what, state];
        if (s.faults > 0) {
          // The owner asks again, and recognises itself.
          const again = { ...state, faults: s.faults - 1 };
          const self = again.calls.find(({ id }) => id === call.id);
          yield [`${what}; the answer is lost`, self ? change(again, self, { at: 'look' }) : again];
        }
        return;
      }

      case 'begin':
        // Renews where the lease has run out and nobody has come.
        if (!mine) yield ['is overtaken', leave(s, call)];
        else if (stored.step !== undefined)
          yield ['finds the step recorded', go({ at: 'settle', said: stored.step })];
        else if (!s.windowOpen && !wrong('window ignored')) {
          yield ['comes too late for the step', go({ at: 'give up', want: 'outcome_unknown' })];
        } else yield ['begins the step', go({ at: 'act' }, { ...s, stored: { ...stored, lease: true } })];
        return;

      case 'act': {
        const after = provider(s, call);
        yield [`asks the provider: ${result}`, change(after, call, { at: 'record', said: result })];
        if (s.faults > 0) {
          const lost = wrong('unknown answer stored as failed')
            ? ({ at: 'settle', said: 'no' } as const)
            : ({ at: 'give up', want: onCrash === 'resume' ? 'released' : 'outcome_unknown' } as const);
          const faults = s.faults - 1;
          yield ['asks the provider; the answer is lost', change({ ...after, faults }, call, lost)];
          yield ['the question is lost', change({ ...s, faults }, call, lost)];
        }
        return;
      }

      case 'record':
        if (!mine) yield ['is overtaken', leave(s, call)];
        else
          yield [
            'records the step',
            go({ at: 'settle' }, { ...s, stored: { ...stored, step: call.said as Answer } }),
          ];
        return;

      case 'settle':
        yield* settle(s, call, mine);
        return;

      case 'effect':
        yield ['commits its effect', go({ at: 'answer' }, { ...s, effects: s.effects + 1 })];
        return;

      case 'give up': {
        if (!mine) {
          yield ['is overtaken', leave(s, call)];
          return;
        }
        if (call.want === 'outcome_unknown') {
          yield ['suspends it', finish(moved(s, 'suspended', 'outcome_unknown'), call)];
        } else if (call.by === 'request') {
          yield ['releases it', leave(moved(s, 'released', 'released'), call)];
        } else if (stored.attempt < MAX_ATTEMPTS) {
          yield ['puts it back', change(moved(s, 'accepted', 'rescheduled'), call, { at: 'send' })];
        } else yield ['has tried often enough', finish(moved(s, 'dead', 'exhausted'), call)];
        return;
      }

      case 'send':
        // Named by the record's state: where that has moved on, there is nothing to send for.
        if (stored?.state === 'accepted') yield ['sends the next job', finish(withJob(s), call)];
        else yield ['finds that it has gone on', finish(s, call)];
        return;

      case 'acknowledge': {
        const own = s.job === call.job || wrong('job acknowledged by operation instead of by delivery');
        yield ['acknowledges the job', leave(own ? { ...s, job: null } : s, call)];
        return;
      }

      case 'answer': {
        const said = call.said as Answer;
        yield [`answers ${said}`, finish({ ...s, answers: [...new Set([...s.answers, said])].sort() }, call)];
      }
    }
  }

  /** The engine's own judgement, about what the store shows. */
  function look(s: State, call: Call): readonly [string, State] {
    const { stored } = s;
    const go = (to: Partial<Call>) => change(s, call, { seen: stored?.version ?? 0, ...to });
    if (stored?.owner === call.id && stored.state === 'processing' && stored.attempt > 0) {
      return ['finds its own claim', go({ at: 'begin', attempt: stored.attempt })];
    }
    if (stored?.state === 'processing' && stored.lease) {
      if (
        wrong('takeover of a live lease') ||
        (call.by === 'worker' && wrong('redelivered job runs beside its owner'))
      ) {
        return ['takes it over', go({ at: 'claim', want: 'overtaken' })];
      }
    }
    // The worker's judgement is the store's `start`: it runs what is accepted or lost, and leaves the rest alone.
    if (call.by === 'worker') {
      if (stored?.state === 'accepted') return ['may start', go({ at: 'claim', want: 'started' })];
      if (stored?.state === 'processing' && !stored.lease && resumable(s))
        return ['may go on', go({ at: 'claim', want: 'overtaken' })];
      return ['finds nothing to run', finish(s, call)];
    }
    const decision = decide(sighting(s), {
      queued: mode === 'queued',
      judge: () => 'same',
      ageMs: undefined,
      ttlMs: 86_400_000,
      mismatch: 'reject',
    });
    switch (decision.do) {
      case 'claim':
        if (mode === 'atomic') return ['runs', go({ at: 'settle', said: result })];
        return ['may run', go({ at: 'claim', want: mode === 'queued' ? 'enqueued' : 'claimed' })];
      case 'take':
        return [
          'may go on',
          go({ at: 'claim', want: decision.cause === 'overtaken' ? 'overtaken' : 'claimed' }),
        ];
      case 'suspend':
        return ['finds an orphan', go({ at: 'claim', want: 'outcome_unknown' })];
      case 'accepted':
        return ['is told 202', leave(s, call)];
      case 'replay':
        return ['replays', go({ at: 'answer', said: stored?.outcome as Answer })];
      case 'wait':
        return ['is told to wait', leave(s, call)];
      case 'refuse':
        return [`is told ${decision.code}`, finish(s, call)];
    }
  }

  function claimed(s: State, call: Call): readonly [string, State] {
    if (call.want === 'enqueued') {
      return ['enqueues it', leave(withJob(moved(s, 'accepted', 'enqueued')), call)];
    }
    if (call.want === 'outcome_unknown') {
      return ['suspends the orphan', leave(moved(s, 'suspended', 'outcome_unknown'), call)];
    }
    const state = moved(s, 'processing', call.want ?? 'claimed', 1, call.id);
    const { attempt } = state.stored as Stored;
    return [`claims it as attempt ${attempt}`, change(state, call, { at: 'begin', attempt })];
  }

  function* settle(s: State, call: Call, mine: boolean): Generator<readonly [string, State]> {
    const { stored } = s;
    const said = call.said as Answer;
    const [to, cause] =
      said === 'yes' ? (['completed', 'succeeded'] as const) : (['failed', 'failed'] as const);
    if (wrong('answered before the commit') && !s.answers.includes(said)) {
      yield ['answers before its commit', { ...s, answers: [...s.answers, said] }];
    }
    const may = mode === 'atomic' ? stored === null : mine;
    if (!may) {
      // Everything in that transaction is rolled back: the guard raises. A count of 0 rows would travel beside the COMMIT.
      if (wrong('a guard that only counts rows') && said === 'yes') {
        yield ['is overtaken, and commits its effect', leave({ ...s, effects: s.effects + 1 }, call)];
      }
      yield mode === 'atomic'
        ? ['finds another’s record', change(s, call, { at: 'look' })]
        : ['is overtaken', leave(s, call)];
      return;
    }
    const next = moved(s, to, cause, mode === 'atomic' ? 1 : 0, call.id);
    const written = { ...next, stored: { ...(next.stored as Stored), outcome: said } };
    if (wrong('effect and outcome in two commits') && said === 'yes') {
      yield ['commits its outcome', change(written, call, { at: 'effect' })];
      return;
    }
    const done = { ...written, effects: s.effects + (said === 'yes' ? 1 : 0) };
    yield ['commits effect and outcome', change(done, call, { at: 'answer' })];
    if (s.faults > 0) {
      // It asks what became of the COMMIT.
      const faults = s.faults - 1;
      yield ['commits; the answer is lost', change({ ...done, faults }, call, { at: 'look' })];
      if (mode === 'atomic') yield ['the COMMIT is lost', change({ ...s, faults }, call, { at: 'look' })];
    }
  }

  function provider(s: State, call: Call): State {
    if (result === 'no') return s;
    const key = wrong('child key from the attempt') ? `charge ${call.attempt}` : 'charge';
    if (keyed && s.remembered.includes(key)) return s;
    return { ...s, charges: s.charges + 1, remembered: keyed ? [...s.remembered, key].sort() : [] };
  }

  /** What a request of the same code would be told. */
  function judged(s: State): string {
    return decide(sighting(s), { judge: () => 'same', ageMs: undefined, ttlMs: 1, mismatch: 'reject' }).do;
  }

  /** By the store: requests leave the last attempt of queued work to the sweep. */
  function resumable(s: State): boolean {
    const record = sighting(s)?.record;
    return record !== undefined && judged(s) !== 'suspend' && record.attempt < record.policy.maxAttempts;
  }

  /** As the store would show it. */
  function sighting({ stored, windowOpen }: State): Sighting | undefined {
    if (stored === null) return undefined;
    const now = 1_000_000;
    return {
      now,
      record: {
        scope: 's',
        procedure: 'p',
        key: 'k',
        operationId: 'o',
        owner: String(stored.owner),
        fingerprint: 'v1:f',
        state: stored.state,
        attempt: stored.attempt,
        version: stored.version,
        createdAt: 0,
        updatedAt: 0,
        firstClaimedAt: windowOpen || wrong('window ignored') ? now : 0,
        policy: {
          mode,
          onCrash: wrong('recovery by today’s code instead of the record') ? 'resume' : onCrash,
          leaseMs: 1000,
          maxRunMs: 1000,
          maxAttempts: MAX_ATTEMPTS,
          downstreamWindowMs: 1000,
          ttlMs: 86_400_000,
        },
        ...(stored.state === 'processing' ? { leaseUntil: stored.lease ? now + 1000 : now - 1 } : undefined),
        ...(isSettled(stored.state) ? { expiresAt: now + 86_400_000 } : undefined),
      },
    };
  }

  /** A transition as the contract's table has it, or the violation. */
  function moved(
    s: State,
    to: OperationState,
    cause: TransitionCause,
    attempts: 0 | 1 = 0,
    owner?: number,
  ): State {
    const { stored } = s;
    const from = stored?.state ?? null;
    const row = TRANSITIONS.find((t) => t.from === from && t.to === to && t.cause === cause);
    const counts = row?.attempt === 'next' ? 1 : 0;
    const next: Stored = {
      state: to,
      attempt: (stored?.attempt ?? 0) + attempts,
      owner: owner ?? stored?.owner ?? 0,
      version: (stored?.version ?? 0) + 1,
      lease: to === 'processing',
      ...(stored?.step === undefined ? undefined : { step: stored.step }),
      cause,
    };
    const forbidden = row === undefined || counts !== attempts;
    return {
      ...s,
      stored: next,
      ...(forbidden ? { forbidden: `${from} to ${to} (${cause}) is not in the table` } : undefined),
    };
  }
}
