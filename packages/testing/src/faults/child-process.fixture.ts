// Run as a child by child-process.test.ts; the first argument says what to be.
import { startChild } from './child-process.ts';

const role = process.argv[2];
const stayAlive = () => setInterval(() => {}, 60_000);

if (role === 'echo') {
  process.on('message', (message) => process.send?.({ echo: message, at: String(process.hrtime.bigint()) }));
  process.on('SIGTERM', () => {
    console.log('finishing');
    process.exit(3);
  });
  process.send?.({ ready: true, execPath: process.execPath, variable: process.env.FIXTURE_VARIABLE });
} else if (role === 'server') {
  stayAlive();
  console.log('starting');
  console.log('listening on 4711');
} else if (role === 'silent') {
  stayAlive();
  console.log('I say nothing of use');
} else if (role === 'broken') {
  throw new Error('cannot begin');
} else if (role === 'parent') {
  const child = await startChild({ file: new URL(import.meta.url), args: ['echo'] });
  if (process.argv[3] === 'stopped') await child.stop();
  console.log(JSON.stringify({ ready: true, grandchild: child.pid }));
}
