#!/usr/bin/env node
import { text } from 'node:stream/consumers';
import { run } from './cli.ts';
import { messageOf, type Terminal } from './command.ts';

// What an inspected module prints is none of the report's business.
console.log = console.info = console.debug = console.error;

const fail = (error: unknown): void => {
  process.stderr.write(`semel: ${messageOf(error)}\n`, () => process.exit(2));
};
// What a module does in the background after it was loaded isn't a finding.
process.on('uncaughtException', fail);
// `semel operations list | head`: who reads has read enough.
process.stdout.on('error', () => process.exit(0));

// The first Ctrl-C lets the command stop where it can; the second doesn't wait.
const interruption = new AbortController();
process.on('SIGINT', () => {
  if (interruption.signal.aborted) process.exit(130);
  interruption.abort();
});

const isWatched = process.stderr.isTTY === true;
const terminal: Terminal = {
  write: (written) => void process.stdout.write(written),
  complain: (written) => void process.stderr.write(written),
  cwd: process.cwd(),
  // https://no-color.org: present and not empty.
  colours: process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb',
  env: process.env,
  ...(process.stdout.isTTY && { columns: process.stdout.columns }),
  ...(isWatched && { progress: (line: string) => void process.stderr.write(`\r\u001b[K${line}`) }),
  readInput: () => text(process.stdin),
  interrupted: interruption.signal,
};

const code = await run(process.argv.slice(2), terminal).catch((error: unknown) => {
  process.stderr.write(`semel: ${messageOf(error)}\n`);
  return 2;
});
// The module may have opened sockets and timers: nobody has to wait for those.
process.stdout.write('', () => process.exit(code));
