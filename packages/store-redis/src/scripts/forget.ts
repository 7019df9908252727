import { script } from './script.ts';

export const forget = script(`
-- KEYS[1]  the operation
-- ARGV[1]  how long no entry is taken, ms
-- Returns  1
redis.call('SET', KEYS[1], 'P', 'PX', ARGV[1])
return 1
`);
