import { script } from './script.ts';

export const keep = script(`
-- KEYS[1]  the operation
-- ARGV[1]  text of the entry   ARGV[2]  time left, ms   ARGV[3]  channel of changes
-- Returns  1, or 0 where it was forgotten lately: a slow reader must not bring back what was purged
-- Atomic   the look for the mark, the entry in place of whoever was at it, waking who waits
local found = redis.pcall('GETRANGE', KEYS[1], 0, 1)
if found == 'P' then return 0 end
redis.call('SET', KEYS[1], 'E' .. ARGV[1], 'PX', ARGV[2])
if found == 'L1' then redis.call('PUBLISH', ARGV[3], KEYS[1]) end
return 1
`);
