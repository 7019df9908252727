import { startChild } from '@semel/testing/faults';
import type { Report, ServerSettings } from './server.ts';

/** Server processes that share what is behind them. */
export interface ServerGroup {
  readonly urls: readonly string[];
  /** What each has seen since the last time. */
  reports(): Promise<Report[]>;
  stop(): Promise<void>;
}

export async function startServers(count: number, settings: ServerSettings): Promise<ServerGroup> {
  const children = await Promise.all(
    Array.from({ length: count }, () =>
      startChild<{ report?: Report }, { ask: 'report' }>({
        file: new URL('./server.ts', import.meta.url),
        env: { SETTINGS: JSON.stringify(settings) },
      }),
    ),
  );
  return {
    urls: children.map(({ ready }) => String(ready.url)),
    reports: () =>
      Promise.all(
        children.map(async (child) => {
          child.send({ ask: 'report' });
          const { report } = await child.message((message) => message.report !== undefined);
          return report as Report;
        }),
      ),
    stop: async () => void (await Promise.all(children.map((child) => child.terminate()))),
  };
}
