import { runPart } from './engine.ts';
import { simulate } from './simulate.ts';

await runPart(simulate, 'effects');
