import { spawn } from 'node:child_process';

/** A command of a document, and the answer that the document promises. */
export interface DocumentedCall {
  /** The heading that it stands under. */
  readonly heading: string;
  readonly command: string;
  /** What has to be so before it: ` ```sh arrange=NAME `. */
  readonly arrange: string | undefined;
  readonly expected: HttpAnswer | undefined;
}

export interface HttpAnswer {
  readonly status: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** ` ```sh ` blocks, each with the ` ```http ` block that follows it, in order. */
export function documentedCalls(markdown: string): DocumentedCall[] {
  const calls: DocumentedCall[] = [];
  let heading = '';
  for (const [, title, language, info, text = ''] of markdown.matchAll(
    /^#+ ([^\n]+)$|^```(sh|http)(?: ([^\n]+))?\n(.*?)^```$/gms,
  )) {
    if (title !== undefined) heading = title;
    else if (language === 'sh') {
      const arrange = /arrange=(\S+)/.exec(info ?? '')?.[1];
      calls.push({ heading, command: text.trim(), arrange, expected: undefined });
    } else {
      const last = calls.pop();
      if (last === undefined || last.expected !== undefined)
        throw new Error(`${heading}: an answer to nothing`);
      calls.push({ ...last, expected: httpAnswer(text) });
    }
  }
  return calls;
}

/** An answer as `curl -i` prints it; interim ones (100) are skipped. */
export function httpAnswer(text: string): HttpAnswer {
  const normal = text.replaceAll('\r\n', '\n').replace(/^(HTTP\/1\.1 1\d\d.*\n(?:.+\n)*\n)+/, '');
  const end = normal.indexOf('\n\n');
  const [status = '', ...lines] = (end < 0 ? normal : normal.slice(0, end)).trim().split('\n');
  const headers = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  const rest = end < 0 ? '' : normal.slice(end).trim();
  return { status, headers: Object.fromEntries(headers), body: rest === '' ? undefined : JSON.parse(rest) };
}

/** What of `expected` isn't so, in words. `…` stands for any text; members that aren't expected may be there. */
export function differences(expected: HttpAnswer, actual: HttpAnswer): string[] {
  return [
    ...differ('status', expected.status, actual.status),
    ...Object.entries(expected.headers).flatMap(([name, value]) => differ(name, value, actual.headers[name])),
    ...(expected.body === undefined ? [] : differ('body', expected.body, actual.body)),
  ];
}

function differ(at: string, expected: unknown, actual: unknown): string[] {
  const no = [`${at}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`];
  if (typeof expected === 'string') {
    return typeof actual === 'string' && fits(expected, actual) ? [] : no;
  }
  if (typeof expected !== 'object' || expected === null) return Object.is(expected, actual) ? [] : no;
  if (typeof actual !== 'object' || actual === null || Array.isArray(expected) !== Array.isArray(actual))
    return no;
  if (Array.isArray(expected) && expected.length !== (actual as unknown[]).length) return no;
  return Object.entries(expected).flatMap(([name, value]) =>
    differ(`${at}.${name}`, value, (actual as Record<string, unknown>)[name]),
  );
}

function fits(pattern: string, text: string): boolean {
  const parts = pattern.split('…').map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(text);
}

/** Runs a command in a shell, as a reader would. @returns what it printed */
export async function runShell(command: string): Promise<string> {
  const child = spawn('bash', ['-c', command], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let problems = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (problems += text));
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (out === '' && code !== 0) throw new Error(`ended with ${String(code)}: ${command}\n${problems}`);
  return out;
}
