import { describeStore } from './describe-store.ts';
import { createMemoryHarness } from './memory-harness.ts';

describeStore('the memory store', createMemoryHarness());
