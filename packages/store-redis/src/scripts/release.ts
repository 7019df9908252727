import { script } from './script.ts';

export const release = script(`
-- KEYS[1]  the operation
-- ARGV[1]  owner   ARGV[2]  channel of changes
-- Returns  1, or 0 where it isn't this owner's
-- Atomic   the look at whose it is, giving it back, waking who waits
local found = redis.pcall('GETRANGE', KEYS[1], 0, 200)
if type(found) ~= 'string' then return 0 end
local waiting, owner = string.match(found, '^L([01])%d+:(.*)$')
if owner ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if waiting == '1' then redis.call('PUBLISH', ARGV[2], KEYS[1]) end
return 1
`);
