import type { TestProject } from 'vitest/node';
import { ensurePostgres, ensureRedis } from './services.mjs';
import type {} from './vitest-context.ts';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [postgres] = await Promise.all([ensurePostgres(), findRedis()]);
  console.log(`postgres: ${postgres.how}`);
  project.provide('databaseUrl', postgres.url);
  return () => postgres.stop();
}

/** Where it has to be installed first, that isn't counted as a test's time. Where it can't be had, those that need it say so. */
const findRedis = (): Promise<void> =>
  ensureRedis().then(
    ({ stop }) => stop(),
    () => {},
  );
