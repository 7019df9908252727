import type { Owner, World } from './engine.ts';

type Run = (lock: object | null) => unknown;
interface Options {
  ifAvailable?: boolean;
  signal?: AbortSignal;
}

export interface Locks {
  /** What a tab sees as `navigator.locks`. */
  of(owner: Owner): LockManager;
  /** A tab is gone: what it holds comes free, what it waits for is dropped. */
  release(owner: Owner): void;
}

/** Web Locks of one browser: first come, first served; a dead tab's are free soon after. */
export function createLocks(world: World): Locks {
  const held = new Map<string, Owner>();
  const queues = new Map<string, { owner: Owner; grant: () => void }[]>();
  const soon = () => world.random.between(0, 3);

  function next(name: string): void {
    if (held.has(name)) return;
    const waiting = queues.get(name) ?? [];
    let first = waiting.shift();
    while (first && !first.owner.alive) first = waiting.shift();
    if (!first) return;
    held.set(name, first.owner);
    world.after(soon(), first.owner, first.grant);
  }
  function free(name: string, owner: Owner): void {
    if (held.get(name) !== owner) return;
    held.delete(name);
    next(name);
  }

  const request = (owner: Owner, name: string, options: Options, run: Run): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const { signal, ifAvailable } = options;
      if (signal?.aborted) return reject(new DOMException('aborted', 'AbortError'));
      if (ifAvailable && held.has(name)) return void world.after(soon(), owner, () => resolve(run(null)));
      const queue = queues.get(name) ?? [];
      queues.set(name, queue);
      let aborted = false;
      const onAbort = () => {
        aborted = true;
        const at = queue.indexOf(asked);
        if (at >= 0) queue.splice(at, 1);
        reject(new DOMException('aborted', 'AbortError'));
      };
      const asked = {
        owner,
        grant() {
          signal?.removeEventListener('abort', onAbort);
          if (aborted) return free(name, owner);
          void (async () => run({ name }))()
            .then(resolve, reject)
            .finally(() => free(name, owner));
        },
      };
      signal?.addEventListener('abort', onAbort);
      queue.push(asked);
      next(name);
    });

  return {
    of: (owner) =>
      ({
        request: (name: string, ...rest: [Run] | [Options, Run]) =>
          rest.length === 1 ? request(owner, name, {}, rest[0]) : request(owner, name, rest[0], rest[1]),
      }) as LockManager,
    release(owner) {
      for (const [name, holder] of [...held])
        if (holder === owner) world.after(soon(), undefined, () => free(name, owner));
    },
  };
}
