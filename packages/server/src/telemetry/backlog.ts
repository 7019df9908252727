import { metrics, type ObservableResult } from '@opentelemetry/api';

/** However often it is collected: the store isn't asked more often. */
const FRESH_MS = 5000;
/** Procedures beyond these are counted together: a label's values have a bound. */
const MAX_PROCEDURES = 100;
/** Four states of each, and of the others together. */
const MAX_SEEN = 4 * (MAX_PROCEDURES + 1);

/** One procedure in one state, as the store counts it. */
interface Backlog {
  readonly procedure: string;
  readonly state: string;
  readonly count: number;
  readonly oldestMs: number;
}

interface Line {
  readonly procedure: string;
  readonly state: string;
  count: number;
  oldestMs: number;
}

/**
 * What waits, as gauges: how much, and for how long the oldest. Every server of one store shows the same figures: take the
 * largest, don't add them up. While the store can't be reached nothing new is shown. What has waited once is shown as 0 when
 * nothing of it waits any more: exporters go on showing the last figure of whatever isn't spoken of.
 */
export function observeBacklog(backlog: () => Promise<readonly Backlog[]>): { close(): void } {
  const meter = metrics.getMeter('@semel/server');
  const depth = meter.createObservableGauge('idempotency.queue.depth', {
    unit: '{operation}',
    description: 'Queued operations that wait or run, and operations of all modes that wait for a decision',
  });
  const age = meter.createObservableGauge('idempotency.queue.age', {
    unit: 's',
    description: 'How long the oldest of them has been due, running, or waiting for a decision',
  });
  const seen = new Map<string, Line>();
  let last: { readonly at: number; readonly lines: Promise<readonly Line[]> } | undefined;

  function lines(): Promise<readonly Line[]> {
    const now = performance.now();
    if (last === undefined || now - last.at >= FRESH_MS) {
      last = {
        at: now,
        lines: backlog().then(
          (found) => withZeros(bounded(found)),
          () => [],
        ),
      };
    }
    return last.lines;
  }

  function withZeros(lines: readonly Line[]): readonly Line[] {
    const now = new Map(seen);
    for (const line of lines) {
      const { procedure, state } = line;
      now.set(`${state} ${procedure}`, line);
      if (seen.size < MAX_SEEN)
        seen.set(`${state} ${procedure}`, { procedure, state, count: 0, oldestMs: 0 });
    }
    return [...now.values()];
  }

  const observe =
    (value: (line: Line) => number) =>
    async (result: ObservableResult): Promise<void> => {
      for (const line of await lines()) {
        const { procedure, state } = line;
        result.observe(value(line), { 'idempotency.procedure': procedure, 'idempotency.state': state });
      }
    };
  const observeDepth = observe(({ count }) => count);
  const observeAge = observe(({ oldestMs }) => oldestMs / 1000);
  depth.addCallback(observeDepth);
  age.addCallback(observeAge);
  return {
    close() {
      depth.removeCallback(observeDepth);
      age.removeCallback(observeAge);
    },
  };
}

function bounded(backlog: readonly Backlog[]): readonly Line[] {
  const named = new Set<string>();
  const lines = new Map<string, Line>();
  for (const { procedure, state, count, oldestMs } of backlog) {
    if (named.size < MAX_PROCEDURES) named.add(procedure);
    const label = named.has(procedure) ? procedure : '(other)';
    const line = lines.get(`${state} ${label}`);
    if (line === undefined) lines.set(`${state} ${label}`, { procedure: label, state, count, oldestMs });
    else {
      line.count += count;
      line.oldestMs = Math.max(line.oldestMs, oldestMs);
    }
  }
  return [...lines.values()];
}
