import type { TestProject } from 'vitest/node';
import { ensurePostgres } from './services.mjs';
import type {} from './vitest-context.ts';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const postgres = await ensurePostgres();
  console.log(`postgres: ${postgres.how}`);
  project.provide('databaseUrl', postgres.url);
  return () => postgres.stop();
}
