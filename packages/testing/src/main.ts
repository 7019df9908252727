#!/usr/bin/env node
// Plain Node and no test runner: whoever tests a server in another language has none.
import { CONTRACT_HELP, contractCommand } from './contract/command.ts';

const [name, ...args] = process.argv.slice(2);
const terminal = {
  out: (text: string) => void process.stdout.write(text),
  err: (text: string) => void process.stderr.write(text),
};
if (name === 'contract') process.exitCode = await contractCommand(args, terminal);
else if (name === undefined || name === '--help' || name === 'help') terminal.out(CONTRACT_HELP);
else {
  terminal.err(`semel-testing has no command ${name}\n\n${CONTRACT_HELP}`);
  process.exitCode = 2;
}
