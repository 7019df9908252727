// Requires every entry that is named on the command line, as CommonJS.
const assert = require('node:assert/strict');

for (const entry of process.argv.slice(2)) {
  const names = Object.keys(require(entry));
  assert.notEqual(names.length, 0, `${entry} exports nothing`);
}
