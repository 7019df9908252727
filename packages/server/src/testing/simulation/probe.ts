import type { Intent } from './handlers.ts';
import { type Machine, type MachineRoom, type Reply, serve } from './machines.ts';

const sleep = ({ wire }: MachineRoom, { owner }: Machine, ms: number): Promise<void> =>
  new Promise((resolve) => void wire.world.after(ms, owner, resolve));

/** Asks each key once more, when nothing goes wrong any more: nobody may be stuck. */
export async function probe(room: MachineRoom, machine: Machine): Promise<void> {
  const { judge, wire } = room;
  for (const intent of judge.intents()) {
    let last: Reply | undefined;
    // A job that was put back for a worker that has its procedure comes again after half a minute.
    const rounds = room.queue === undefined ? 30 : 70;
    for (let round = 0; round < rounds && !isEnd(last); round++) {
      await sleep(room, machine, last === undefined ? 0 : round < 30 ? 200 : 1000);
      last = await serve(room, machine, intent, undefined);
    }
    if (last?.kind === 'refused' && last.problem.code === 'outcome_unknown' && isSafe(intent))
      last = await redriven(room, machine, intent, last);
    if (isEnd(last)) continue;
    const why = last?.kind === 'refused' ? last.problem.code : last?.kind;
    wire.world.violate(`stuck: ${why}`);
  }
}

/** With child keys, and within the window, running again can do no harm. */
const isSafe = ({ procedure }: Intent): boolean =>
  procedure.keyed &&
  procedure.policies.every(({ effects, mode }) => effects === 'steps' && mode !== 'atomic');

/** Two operators decide at once that it may run again. */
async function redriven(room: MachineRoom, machine: Machine, intent: Intent, before: Reply): Promise<Reply> {
  const operationId = before.kind === 'refused' ? before.problem.operationId : undefined;
  if (operationId === undefined || room.queue === undefined) return before;
  const { world } = room.wire;
  const by = { actor: 'operator:a', reason: 'the simulation' };
  const decided = await world.as(machine.owner, () =>
    Promise.all([1, 2].map(() => machine.semel.decisions.redrive(operationId, by))),
  );
  const done = decided.filter(({ kind }) => kind === 'done').length;
  world.log(() => `redriven: ${decided.map(({ kind }) => kind).join(', ')}`);
  if (done > 1) world.violate('redriven twice');
  let last = before;
  for (let round = 0; round < 70 && done > 0; round++) {
    await sleep(room, machine, round < 30 ? 200 : 1000);
    last = await serve(room, machine, intent, undefined);
    if (last.kind === 'completed' || last.kind === 'failed') break;
  }
  return last;
}

/** Answered; or known to need somebody's decision; or never this payload's. */
function isEnd(reply: Reply | undefined): boolean {
  if (reply === undefined || reply.kind === 'threw' || reply.kind === 'accepted') return false;
  return (
    reply.kind !== 'refused' ||
    reply.problem.code === 'outcome_unknown' ||
    reply.problem.code === 'key_reused'
  );
}
