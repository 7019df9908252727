import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';

export const firefoxPath = [process.env.FIREFOX_PATH, '/usr/bin/firefox-esr', '/usr/bin/firefox'].find(
  (place) => place !== undefined && existsSync(place),
);

export interface FirefoxTab {
  go(url: string): Promise<void>;
  /** Runs an expression in the page; its value has to be JSON. */
  evaluate<T>(expression: string): Promise<T>;
  /** Waits until an expression is true; a page that is being loaded is not. */
  until(expression: string): Promise<void>;
  reload(): Promise<void>;
  close(): Promise<void>;
}

export interface Firefox {
  readonly version: string;
  tab(): Promise<FirefoxTab>;
  close(): Promise<void>;
}

/** The system's own Firefox over WebDriver BiDi, as much of it as these tests use: Playwright drives only a build of its own. */
export async function launchFirefox(): Promise<Firefox> {
  const profile = mkdtempSync(join(tmpdir(), 'semel-firefox-'));
  const child = spawn(
    firefoxPath as string,
    ['--headless', '--no-remote', '--remote-debugging-port=0', '--profile', profile],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: profile } },
  );
  const exited = once(child, 'exit');
  const address = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const found = /WebDriver BiDi listening on (ws:\S+)/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    });
    void exited.then(() => reject(new Error(`Firefox ended: ${said}`)));
  });
  const socket = new WebSocket(`${address}/session`);
  await once(socket, 'open');
  const waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  socket.on('message', (data) => {
    const { id, type, result, error, message } = JSON.parse((data as Buffer).toString('utf8')) as {
      readonly id: number;
      readonly type: string;
      readonly result?: unknown;
      readonly error?: string;
      readonly message?: string;
    };
    const call = waiting.get(id);
    waiting.delete(id);
    if (type === 'error') call?.reject(new Error(`${error}: ${message}`));
    else call?.resolve(result);
  });
  let ids = 0;
  const send = <T>(method: string, params: object = {}): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const id = ++ids;
      waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
      socket.send(JSON.stringify({ id, method, params }));
    });

  const session = await send<{ capabilities: { browserVersion: string } }>('session.new', {
    capabilities: {},
  });
  const tabIn = (context: string): FirefoxTab => {
    const tab: FirefoxTab = {
      go: async (url) => void (await send('browsingContext.navigate', { context, url, wait: 'complete' })),
      reload: async () => void (await send('browsingContext.reload', { context, wait: 'complete' })),
      close: async () => void (await send('browsingContext.close', { context })),
      async evaluate<T>(expression: string) {
        const answer = await send<{
          type: string;
          result: { value: string };
          exceptionDetails?: { text: string };
        }>('script.evaluate', {
          expression: `(async () => JSON.stringify([await (${expression})]))()`,
          target: { context },
          awaitPromise: true,
        });
        if (answer.type === 'exception') throw new Error(answer.exceptionDetails?.text);
        return (JSON.parse(answer.result.value) as [T])[0];
      },
      async until(expression) {
        while (!(await tab.evaluate<boolean>(expression).catch(() => false))) {
          await new Promise((resolve) => setTimeout(resolve, 25));
        }
      },
    };
    return tab;
  };
  return {
    version: session.capabilities.browserVersion,
    async tab() {
      const { context } = await send<{ context: string }>('browsingContext.create', { type: 'tab' });
      return tabIn(context);
    },
    async close() {
      await send('browser.close').catch(() => {});
      child.kill('SIGKILL');
      await exited;
      socket.terminate();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
