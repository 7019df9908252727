import type { Socket } from 'node:net';
import type { Clock } from './clock.ts';

/** `toServer`: from the client to the target; `toClient`: back. */
export type Direction = 'toServer' | 'toClient';

/** Faults of one direction; all may be combined. */
export interface DirectionFaults {
  /** Each chunk arrives this much later. Order is kept. */
  readonly latencyMs?: number;
  /** Up to this much more, at random. */
  readonly jitterMs?: number;
  /** Bytes are accepted and never passed on; nor is the close. The other direction works. */
  readonly blackhole?: boolean;
  /** After this many bytes of a connection were passed on, both sides get an RST (which may overtake them). */
  readonly resetAfterBytes?: number;
  /** The sender's close (FIN or RST) is not passed on: the receiver believes that the peer is still there. */
  readonly halfOpen?: boolean;
}

/** One direction of one connection: takes what arrived and passes it on, later, in part, or not. */
export interface Pipe {
  write(chunk: Buffer): void;
  /** The sender closed its side. */
  end(): void;
  /** The sender's socket broke. */
  break(): void;
}

interface PipeOptions {
  readonly from: Socket;
  readonly to: Socket;
  /** Read for each chunk: faults change while connections are open. */
  readonly faults: () => DirectionFaults;
  readonly isHole: () => boolean;
  readonly random: () => number;
  readonly clock: Clock;
  readonly reset: () => void;
}

export function createPipe({ from, to, faults, isHole, random, clock, reset }: PipeOptions): Pipe {
  let passed = 0;
  let waiting = 0;
  let lastDue = 0;
  let tail: Promise<void> = Promise.resolve();

  const pass = (chunk: Buffer): void => {
    // Asked again after the delay: what was on its way when the hole opened is lost as well.
    if (isHole() || to.destroyed || to.writableEnded) return;
    const limit = faults().resetAfterBytes ?? Number.POSITIVE_INFINITY;
    const part = chunk.subarray(0, Math.max(0, limit - passed));
    passed += part.length;
    if (part.length > 0 && !to.write(part)) {
      from.pause();
      to.once('drain', () => from.resume());
    }
    if (passed >= limit) reset();
  };

  // A chain instead of one timer per chunk: timers of different lengths may fire in the wrong order.
  const inTurn = (act: () => void): void => {
    const { latencyMs = 0, jitterMs = 0 } = faults();
    const delay = latencyMs + (jitterMs > 0 ? jitterMs * random() : 0);
    if (delay <= 0 && waiting === 0) {
      act();
      return;
    }
    lastDue = Math.max(lastDue, clock.now() + delay);
    const due = lastDue;
    waiting++;
    tail = tail.then(async () => {
      const rest = due - clock.now();
      if (rest > 0) await clock.sleep(rest);
      waiting--;
      act();
    });
  };

  const isCloseHidden = () => isHole() || faults().halfOpen === true;

  return {
    write: (chunk) => {
      if (!isHole()) inTurn(() => pass(chunk));
    },
    end: () =>
      inTurn(() => {
        if (!isCloseHidden()) to.end();
      }),
    break: () => {
      if (!isCloseHidden()) sendReset(to);
    },
  };
}

/** RST. A socket that was ended with bytes unsent refuses to be reset, and would never close. */
export function sendReset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
