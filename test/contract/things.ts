import { randomUUID } from 'node:crypto';
import type { Operation } from '@semel/server';
import type { Payload } from '@semel/testing';
import { z } from 'zod';
import type { World } from './world.ts';

export const ORIGIN = 'https://shop.example';
export type Mode = 'atomic' | 'leased';

/** What the contract suite sends. */
export const payloadInput = z
  .object({
    reference: z.string(),
    amount: z.number().int().positive(),
    delayMs: z.number().optional(),
    memo: z.unknown().optional(),
    answer: z.string().optional(),
    failure: z.string().optional(),
  })
  .refine(({ failure }) => failure !== 'invalid') as unknown as z.ZodType<Payload>;

export interface Thing {
  readonly id: string;
  readonly reference: string;
  readonly amount: number;
}

/** What a carrier does its own way. */
export interface Answering {
  /** Of what the handler answers with. */
  done(thing: Thing, payload: Payload): unknown;
  /** A refusal for good. */
  refused(): unknown;
}

/** The handler behind every carrier: one effect per run, in the transaction of its mode. */
export function createMaker<Tx>(world: World<Tx>, mode: Mode, { done, refused }: Answering) {
  const begun = new Map<string, number>();
  return async (operation: Operation<Tx>, payload: Payload): Promise<unknown> => {
    const { reference, amount, delayMs, failure } = payload;
    const run = (begun.get(reference) ?? 0) + 1;
    begun.set(reference, run);
    if (delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (failure === 'refused') throw refused();
    if (failure === 'once' && run === 1) throw new Error('a deadlock');
    const write = (tx: Tx) => world.write(tx, reference);
    const answer = () => done({ id: randomUUID(), reference, amount }, payload);
    if (mode === 'atomic') {
      await write(operation.tx);
      if (failure === 'after-effect') throw new Error('after the effect');
      return answer();
    }
    if (failure === 'after-effect') {
      await operation.transaction('effect', write);
      throw new Error('after the effect');
    }
    return operation.settle(async (tx) => {
      await write(tx);
      return answer();
    });
  };
}
