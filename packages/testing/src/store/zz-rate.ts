import { propertyCases } from './properties.ts';
import { runCase } from './case.ts';
import { createMemoryHarness } from './memory-harness.ts';
import { wrongStores } from './wrong-stores.ts';
for (const w of wrongStores) {
  const rates: number[] = [];
  for (const c of propertyCases) { let f = 0; for (let i = 0; i < 30; i++) await runCase(createMemoryHarness(w.make), c).catch(() => f++); rates.push(f); }
  if (rates.some((r) => r > 0)) console.log(rates.join('/'), w.mistake);
}
