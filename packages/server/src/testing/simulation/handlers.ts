import type { Engine } from '../../engine/engine.ts';
import type { Operation } from '../../engine/operation.ts';
import type { MemoryTransaction } from '../../store/memory.ts';
import type { Procedure } from './procedures.ts';
import type { Provider } from './provider.ts';
import type { Owner, World } from './world.ts';

/** What one caller wants. */
export interface Intent {
  readonly tenant: string;
  readonly procedure: Procedure;
  readonly key: string;
  readonly payload: string;
}

export const identityOf = ({ tenant, procedure, key }: Intent): string =>
  `${tenant}/${procedure.name}/${key}`;

/** What a handler leaves in the store's own tables: one row for each time that it was carried out. */
export interface Effect {
  readonly identity: string;
  readonly operationId: string;
  readonly what: string;
  readonly execution: number;
  /** It was written by something that was rolled back: it must not be there. */
  readonly doomed: { yes: boolean };
}

/** What a handler answers. */
export interface Answer {
  readonly tenant: string;
  readonly payload: string;
  readonly execution: number;
  readonly operationId: string;
  /** The effect that came with it, in the same commit. */
  readonly effect: 'written' | 'settled' | 'none';
}

/** An error that says nothing about next time. */
export class Hiccup extends Error {
  override readonly name = 'Hiccup';
}

export interface HandlerMistakes {
  readonly childKeyFromAttempt?: boolean;
  readonly silenceIsNo?: boolean;
}

export interface Stage {
  readonly world: World;
  readonly provider: Provider;
  readonly mistakes: HandlerMistakes;
  executions: number;
}

type Tx = MemoryTransaction;

/** The handler of a procedure, as an application would write it: stumbling now and then. */
export function handlerOf(stage: Stage, owner: Owner, engine: Engine<Tx>, intent: Intent) {
  const { world, provider, mistakes } = stage;
  const { procedure, payload, tenant } = intent;
  const { random } = world;
  const identity = identityOf(intent);
  const think = (): Promise<void> | undefined =>
    random.chance(0.3) ? new Promise((resolve) => setTimeout(resolve, random.between(1, 150))) : undefined;
  const stumble = (): void => {
    if (world.faulty && random.chance(0.06)) throw new Hiccup('not now');
  };
  const declines = payload.startsWith('declined');

  return async (operation: Operation<Tx>): Promise<unknown> => {
    const execution = ++stage.executions;
    const doomed = { yes: false };
    world.log(() => `${owner.name} runs ${identity} ${payload} attempt ${operation.attempt} (${execution})`);
    const effect = operation.mode === 'atomic' ? 'written' : procedure.settles ? 'settled' : 'none';
    const answer: Answer = { tenant, payload, execution, operationId: operation.id, effect };
    const write = (tx: Tx, what: string, fate = doomed): void => {
      const effect: Effect = { identity, operationId: operation.id, what, execution, doomed: fate };
      tx.set(`${identity} ${what} ${execution}`, effect);
    };
    const charge = (step: string) =>
      operation.step(step, { input: payload }, async (childKey) => {
        const wrong = mistakes.childKeyFromAttempt ? `${childKey} ${operation.attempt}` : childKey;
        const key = procedure.keyed ? wrong : undefined;
        const no = declines || (step === 'second' && payload.startsWith('half declined'));
        const asked = { identity, operationId: operation.id, step, key, declines: no };
        const said = await provider.charge(owner, asked).catch((error: unknown) => {
          throw mistakes.silenceIsNo ? operation.refuse({ code: 'silent' }) : error;
        });
        if ('declined' in said) throw operation.refuse({ code: 'declined' });
        return said.charged;
      });

    try {
      await think();
      stumble();
      if (operation.mode === 'atomic') {
        write(operation.tx, 'written');
        if (procedure.shape === 'nested') {
          const inner = { yes: false };
          await engine
            .runNested(operation, { procedure: 'inner', mode: 'atomic' }, async ({ tx }) => {
              write(tx, 'nested', inner);
              await think();
              if (random.chance(0.4)) throw new Hiccup('inner');
            })
            .catch((error: unknown) => {
              if (!(error instanceof Hiccup)) throw error;
              inner.yes = true;
            });
        }
        await think();
        stumble();
        if (declines && random.chance(0.5)) return operation.refuse({ code: 'declined' });
        if (declines) throw operation.refuse({ code: 'declined' });
        return answer;
      }
      if (procedure.shape === 'two charges') await Promise.all([charge('charge'), charge('second')]);
      else await charge('charge');
      await think();
      stumble();
      if (procedure.shape === 'charge and note') {
        await operation.transaction('note', async (tx) => {
          write(tx, 'note');
          await think();
          return execution;
        });
        stumble();
      }
      if (!procedure.settles) return answer;
      return await operation.settle(async (tx) => {
        write(tx, 'settled');
        await think();
        return answer;
      });
    } catch (error) {
      // In atomic mode nothing of it may remain.
      doomed.yes = operation.mode === 'atomic';
      throw error;
    }
  };
}
