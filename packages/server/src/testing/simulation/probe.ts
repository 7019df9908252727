import { type Machine, type MachineRoom, type Reply, serve } from './machines.ts';

const sleep = ({ wire }: MachineRoom, { owner }: Machine, ms: number): Promise<void> =>
  new Promise((resolve) => void wire.world.after(ms, owner, resolve));

/** Asks each key once more, when nothing goes wrong any more: nobody may be stuck. */
export async function probe(room: MachineRoom, machine: Machine): Promise<void> {
  const { judge, wire } = room;
  for (const intent of judge.intents()) {
    let last: Reply | undefined;
    for (let round = 0; round < 30 && !isEnd(last); round++) {
      await sleep(room, machine, last === undefined ? 0 : 200);
      last = await serve(room, machine, intent, undefined);
    }
    if (isEnd(last)) continue;
    const why = last?.kind === 'refused' ? last.problem.code : last?.kind;
    wire.world.violate(`stuck: ${why}`);
  }
}

/** Answered; or known to need somebody's decision; or never this payload's. */
function isEnd(reply: Reply | undefined): boolean {
  if (reply === undefined || reply.kind === 'threw') return false;
  return (
    reply.kind !== 'refused' ||
    reply.problem.code === 'outcome_unknown' ||
    reply.problem.code === 'key_reused'
  );
}
