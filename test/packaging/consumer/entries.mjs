// Imports every entry that is named on the command line, as an ES module.
import assert from 'node:assert/strict';

for (const entry of process.argv.slice(2)) {
  const names = Object.keys(await import(entry));
  assert.notEqual(names.length, 0, `${entry} exports nothing`);
}
