import { runPart } from './seed-threads.ts';
import { simulate } from './simulate.ts';

await runPart(simulate, 'told');
