import { script } from './script.ts';

export const renew = script(`
-- KEYS[1]  the operation
-- ARGV[1]  owner   ARGV[2]  attempt   ARGV[3]  hold, ms
-- Returns  1, or 0: it is settled, forgotten, or another's whose attempt isn't older
-- Atomic   the look at who holds it, and the new hold. One that got lost (a flush) is made again
local found = redis.pcall('GETRANGE', KEYS[1], 0, 200)
local waiting = '0'
if type(found) == 'string' and found ~= '' then
  local attempt, owner = string.match(found, '^L[01](%d+):(.*)$')
  if not attempt then return 0 end
  if owner ~= ARGV[1] and tonumber(attempt) >= tonumber(ARGV[2]) then return 0 end
  if tonumber(attempt) > tonumber(ARGV[2]) then return 0 end
  waiting = string.sub(found, 2, 2)
end
redis.call('SET', KEYS[1], 'L' .. waiting .. ARGV[2] .. ':' .. ARGV[1], 'PX', ARGV[3])
return 1
`);
