import { EXPIRY_GRACE_MS } from '../../store/port.ts';
import type { OnSend } from './link.ts';
import { type Machine, type MachineRoom, startMachine } from './machines.ts';
import type { Owner, World } from './world.ts';

/** The machines of one run, and what a seed does to them. */
export interface Hosts {
  readonly machines: Machine[];
  /** Ties faults to messages: a crash at any await, a pause between a look and a write. */
  readonly onSend: OnSend;
  /** Opens for business; faults begin. */
  start(room: MachineRoom): void;
  choose(): Machine;
  /** A machine that nothing has happened to. */
  fresh(): Machine;
}

/** When the last fault begins at the latest. */
export const HORIZON_MS = 900;

export function createHosts(world: World): Hosts {
  const { random } = world;
  const machines: Machine[] = [];
  let room: MachineRoom | undefined;
  let sent = 0;
  let started = 0;

  /** What happens at the how many-th message. */
  const atMessage = new Map<number, 'crash' | 'pause' | 'freeze'>();
  for (let i = random.below(4); i > 0; i--)
    atMessage.set(random.below(25), random.pick(['crash', 'pause', 'freeze', 'crash', 'pause']));

  function boot(works = false): Machine {
    if (room === undefined) throw new Error('not started');
    return startMachine(room, `m${++started}`, random.below(2), works);
  }

  function crash(owner: Owner): void {
    const index = machines.findIndex((machine) => machine.owner === owner);
    if (!world.faulty || !owner.alive || index < 0) return;
    world.log(() => `${owner.name} CRASHES`);
    owner.alive = false;
    machines[index] = boot();
  }

  /** @param frozen whether its monotonic clock stands still too, as that of a virtual machine does */
  function pause(owner: Owner, ms: number, frozen: boolean): void {
    if (!world.faulty || owner.pausedUntil > world.now()) return;
    world.log(() => `${owner.name} PAUSES for ${ms.toFixed(0)} ms${frozen ? ', and so do its clocks' : ''}`);
    owner.pausedUntil = world.now() + ms;
    if (frozen) owner.monotonicOffset -= ms;
  }

  function drain(machine: Machine): void {
    const { owner, semel } = machine;
    const index = machines.indexOf(machine);
    if (!owner.alive || index < 0) return;
    world.log(() => `${owner.name} DRAINS`);
    machines[index] = boot();
    world.after(0, owner, () => {
      void semel
        .drain(random.pick([0, 30, 400]))
        .then(() => semel.close())
        .then(() => {
          // What still runs then goes on for a moment, as a process does that ignores the end.
          world.after(random.between(0, 300), undefined, () => {
            owner.alive = false;
          });
        });
    });
  }

  function strike(machineRoom: MachineRoom): void {
    const machine = random.pick(machines);
    switch (random.below(8)) {
      case 0:
        crash(machine.owner);
        return;
      case 1:
        pause(machine.owner, random.between(20, 900), random.chance(0.3));
        return;
      case 2: {
        const ms = random.pick([150, 1_500, 5_000]);
        world.log(() => `LEAP of ${ms} ms`);
        world.leap(ms);
        return;
      }
      case 3: {
        const ms = EXPIRY_GRACE_MS + random.pick([-500, 1_500, 4_000, 35_000, 330_000]);
        world.log(() => `LEAP of ${ms} ms`);
        world.leap(ms);
        return;
      }
      case 4:
        machineRoom.wire.outage.until = world.now() + random.between(20, 600);
        world.log(() => 'OUTAGE of the store');
        return;
      case 5:
        drain(machine);
        return;
      case 6:
        machine.owner.wallOffset += random.between(-3_600_000, 3_600_000);
        return;
      case 7:
        world.log(() => 'REDIS forgets, or remembers what was');
        if (random.chance(0.5)) machineRoom.redis?.flush();
        else machineRoom.redis?.restore();
    }
  }

  return {
    machines,
    onSend(sender, fate) {
      const fault = atMessage.get(sent++);
      if (fault === undefined) return;
      // Before it arrives, while it is carried out, or when its answer is on its way.
      const when = random.pick([0, fate.there, fate.there + fate.back / 2, fate.there + fate.back + 0.01]);
      world.after(when, undefined, () =>
        fault === 'crash' ? crash(sender) : pause(sender, random.between(100, 700), fault === 'freeze'),
      );
    },
    start(machineRoom) {
      room = machineRoom;
      for (let i = 1 + random.below(3); i > 0; i--) machines.push(boot());
      for (let i = random.below(4); i > 0; i--)
        world.after(random.between(0, HORIZON_MS), undefined, () => strike(machineRoom));
    },
    choose: () => random.pick(machines),
    fresh() {
      const machine = boot(true);
      machines.push(machine);
      return machine;
    },
  };
}
