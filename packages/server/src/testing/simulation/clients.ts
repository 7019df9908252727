import type { Intent } from './handlers.ts';
import { fateOf } from './link.ts';
import { type Machine, type MachineRoom, type Reply, serve } from './machines.ts';

export interface Client {
  readonly intent: Intent;
  /** When its user first wants it. */
  readonly startsAt: number;
  /** Whether it says how old its key is. */
  readonly tellsAge: boolean;
  /** Requests at most; then it gives up and shows its user that it doesn't know. */
  patience: number;
}

/** Retries the same key until there is a final answer, with a machine of its choice each time. */
export function startClient(
  room: MachineRoom,
  client: Client,
  choose: () => Machine,
  over: () => void,
): void {
  const { world, weather } = room.wire;
  const { random } = world;
  const { intent } = client;
  let madeAt = 0;

  function tryAgain(afterMs: number): void {
    if (--client.patience > 0) world.after(afterMs, undefined, send);
    else over();
  }

  function send(): void {
    const machine = choose();
    const fate = fateOf(world, weather);
    const age = world.now() - madeAt;
    room.judge.asked(intent);
    let answered = false;
    const timeout = world.after(random.between(100, 900), undefined, () => {
      answered = true;
      tryAgain(random.between(1, 200));
    });
    if (!fate.arrives) return;
    world.after(fate.there, machine.owner, () => {
      void serve(room, machine, intent, client.tellsAge ? age : undefined).then((reply) => {
        if (!fate.answered) return;
        world.after(fate.back, undefined, () => {
          if (answered) return;
          world.cancel(timeout);
          const again = waitOf(reply);
          if (again === undefined) over();
          else tryAgain(again + random.between(1, 80));
        });
      });
    });
  }

  world.after(client.startsAt, undefined, () => {
    madeAt = world.now();
    send();
  });
}

/** How long to wait before the same key is sent again; `undefined` when there is nothing more to learn. */
function waitOf(reply: Reply): number | undefined {
  if (reply.kind === 'threw') return 0;
  if (reply.kind === 'accepted') return Math.min(reply.pollAfterMs, 200);
  if (reply.kind !== 'refused') return undefined;
  const { code, retryable, retryAfterMs = 0 } = reply.problem;
  if (code === 'outcome_unknown') return 300;
  return retryable ? Math.min(retryAfterMs, 300) : undefined;
}
