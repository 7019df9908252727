// What the client costs: `npm run bench -- --only client`.
import { measureInChromium } from './client/in-chromium.ts';
import { measureInNode } from './client/in-node.ts';

const us = (value: number): string => `${value.toFixed(1)} µs`.padStart(11);

console.log('CPU of one mutation in Node, its answer for free, medians of interleaved rounds:');
for (const { way, cpuUs, addedUs } of await measureInNode())
  console.log(`  ${way.padEnd(32)}${us(cpuUs)}  added ${us(addedUs)}`);

const inChromium = await measureInChromium();
if (inChromium === undefined) console.log('No Chromium on this machine: IndexedDB was not measured.');
else {
  const alone = inChromium['tRPC alone'] ?? Number.NaN;
  console.log('Time of one mutation in Chromium, one after the other, medians of interleaved rounds:');
  for (const [way, ms] of Object.entries(inChromium))
    console.log(`  ${way.padEnd(32)}${ms.toFixed(3)} ms  added ${(ms - alone).toFixed(3)} ms`);
}
