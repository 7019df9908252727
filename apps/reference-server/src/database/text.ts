import { z } from 'zod';

/** Text that a column can hold and a provider can be sent: no control characters (Postgres takes no NUL), no half of a surrogate pair. */
export const text = (max: number) =>
  z.string().min(1).max(max).refine(isStorable, 'Invalid string: must not hold control characters');

const isStorable = (value: string): boolean => !/[\p{Cc}\p{Cs}]/u.test(value);
