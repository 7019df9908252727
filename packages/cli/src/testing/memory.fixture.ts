import { createMemoryStore } from '@semel/server';

export default async () => ({ store: createMemoryStore() });
