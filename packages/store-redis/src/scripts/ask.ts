import { script } from './script.ts';

/**
 * Look-up and hold in one round trip. What lies at a key, here and in the other scripts:
 *   E<text>                      the entry of a settled operation
 *   L<waiting><attempt>:<owner>  who is at it; waiting is 1 once somebody else has asked
 *   P                            forgotten lately: no entry is taken
 * Anything else is as good as nothing.
 */
export const ask = script(`
-- KEYS[1]  the operation
-- ARGV[1]  owner who asks   ARGV[2]  hold, ms
-- Returns  the entry (E...), 'H' held by the asker, 'L' by another, 'N' by nobody
-- Atomic   the look, and the hold or the mark that somebody waits
local found = redis.pcall('GET', KEYS[1])
if type(found) == 'string' then
  local kind = string.sub(found, 1, 1)
  if kind == 'E' then return found end
  if kind == 'P' then return 'N' end
  if kind == 'L' then
    local colon = string.find(found, ':', 1, true)
    if colon and string.sub(found, colon + 1) == ARGV[1] then return 'H' end
    if colon then
      if string.sub(found, 2, 2) == '0' then
        redis.call('SET', KEYS[1], 'L1' .. string.sub(found, 3), 'KEEPTTL')
      end
      return 'L'
    end
  end
end
redis.call('SET', KEYS[1], 'L00:' .. ARGV[1], 'PX', ARGV[2])
return 'H'
`);
