import { Unable } from '../command.ts';

// What talks to databases is the application's choice, and installed beside it: `inspect` needs none of it.

export const postgres = () => installed(() => import('@semel/store-postgres'), '@semel/store-postgres pg');
export const pgDriver = async () => (await installed(() => import('pg'), 'pg')).default;
export const pgBossJobs = () =>
  installed(() => import('@semel/store-postgres/jobs'), '@semel/store-postgres pg pg-boss@12.35.0');
export const redisLayer = () => installed(() => import('@semel/store-redis'), '@semel/store-redis ioredis');
export const redisDriver = () => installed(() => import('ioredis'), 'ioredis');

async function installed<T>(load: () => Promise<T>, packages: string): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw error;
    throw new Unable(`This needs packages that aren't installed here: npm install ${packages}`, {
      cause: error,
    });
  }
}
