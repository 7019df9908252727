import type { Owner, World } from './world.ts';

/** How bad the lines are in this run. Probabilities of one message. */
export interface Weather {
  /** Never arrives; whoever waits for the answer is told so after a while. */
  readonly lose: number;
  /** Carried out, and its answer never arrives. */
  readonly loseAnswer: number;
  /** Carried out after whoever sent it has given it up. */
  readonly late: number;
  /** Takes long, perhaps longer than a lease. */
  readonly slow: number;
  /** Arrives twice, where the port says that this is harmless. */
  readonly twice: number;
}

export function createWeather(world: World): Weather {
  const { random } = world;
  const some = (most: number): number => (random.chance(0.4) ? random.between(0, most) : 0);
  return { lose: some(0.1), loseAnswer: some(0.2), late: some(0.15), slow: some(0.2), twice: some(0.15) };
}

/** What became of a message that somebody has sent. */
export interface Fate {
  readonly there: number;
  readonly back: number;
  readonly arrives: boolean;
  readonly answered: boolean;
  /** When the sender gives up, where no answer comes. */
  readonly givenUpAfter: number;
  /** When it arrives a second time. */
  readonly again: number | undefined;
}

export function fateOf(world: World, weather: Weather): Fate {
  const { random } = world;
  const quick = (): number => random.between(0.05, 2);
  if (!world.faulty) {
    return {
      there: quick(),
      back: quick(),
      arrives: true,
      answered: true,
      givenUpAfter: 0,
      again: undefined,
    };
  }
  const slow = random.chance(weather.slow) ? random.between(5, 400) : 0;
  const late = random.chance(weather.late);
  const givenUpAfter = random.between(5, 60);
  return {
    there: late ? givenUpAfter + random.between(1, 500) : quick() + slow,
    back: quick() + (random.chance(weather.slow / 2) ? random.between(5, 200) : 0),
    arrives: !random.chance(weather.lose),
    answered: !late && !random.chance(weather.loseAnswer),
    givenUpAfter,
    again: random.chance(weather.twice) ? random.between(0, 300) : undefined,
  };
}

export interface Exchange<T> {
  readonly what: string;
  /** Done by the other side when the message arrives. */
  readonly act: () => Promise<T>;
  /** What the sender is told when no answer comes. */
  readonly unanswered: () => Error;
  /** Whether the message may arrive twice. */
  readonly reentrant?: boolean;
}

/** Called for each message that a process sends: where crashes and pauses are tied to. */
export type OnSend = (sender: Owner, fate: Fate) => void;

/** A request and its answer between a process and somebody else, over a line that does what the weather says. */
export function createExchange(world: World, weather: Weather, onSend: OnSend) {
  let sent = 0;
  return <T>(sender: Owner, { what, act, unanswered, reentrant = false }: Exchange<T>): Promise<T> => {
    const fate = fateOf(world, weather);
    const id = ++sent;
    const label = (): string => `${sender.name} #${id} ${what}`;
    world.log(() => `${label()} →${fate.arrives ? '' : ' lost'}`);
    onSend(sender, fate);
    return new Promise<T>((resolve, reject) => {
      const giveUp = (afterMs: number): void => {
        world.after(afterMs, sender, () => {
          world.log(() => `${label()} given up`);
          reject(unanswered());
        });
      };
      if (!fate.arrives) return giveUp(fate.givenUpAfter);
      if (!fate.answered) giveUp(fate.givenUpAfter);
      world.after(fate.there, undefined, () => {
        world.log(() => `${label()} arrives`);
        world.become(sender);
        act().then(
          (value) => {
            if (!fate.answered) return;
            world.after(fate.back, sender, () => {
              world.log(() => `${label()} ✓`);
              resolve(value);
            });
          },
          (error: unknown) => {
            world.log(() => `${label()} ✗ ${String(error)}`);
            if (fate.answered) world.after(fate.back, sender, () => reject(error));
          },
        );
      });
      if (!reentrant || fate.again === undefined) return;
      world.after(fate.there + fate.again, undefined, () => {
        world.log(() => `${label()} arrives again`);
        world.become(sender);
        act().catch(() => undefined);
      });
    });
  };
}

export type Send = ReturnType<typeof createExchange>;
