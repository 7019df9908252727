import { AsyncLocalStorage } from 'node:async_hooks';

const current = new AsyncLocalStorage<string>();

/** The request that the running code belongs to; `undefined` on sockets and in the background. */
export const currentRequestId = (): string | undefined => current.getStore();

export const withRequestId = (id: string, run: () => void): void => current.run(id, run);
