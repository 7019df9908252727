#!/usr/bin/env node
import { run } from './cli.ts';
import { messageOf } from './command.ts';

// What an inspected module prints is none of the report's business.
console.log = console.info = console.debug = console.error;

const fail = (error: unknown): void => {
  process.stderr.write(`semel: ${messageOf(error)}\n`, () => process.exit(2));
};
// What a module does in the background after it was loaded isn't a finding.
process.on('uncaughtException', fail);

const code = await run(process.argv.slice(2), {
  write: (text) => void process.stdout.write(text),
  complain: (text) => void process.stderr.write(text),
  cwd: process.cwd(),
  colours: process.stdout.isTTY && !process.env.NO_COLOR,
}).catch((error: unknown) => {
  process.stderr.write(`semel: ${messageOf(error)}\n`);
  return 2;
});
// The module may have opened sockets and timers: nobody has to wait for those.
process.stdout.write('', () => process.exit(code));
