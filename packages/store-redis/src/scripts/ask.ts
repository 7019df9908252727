import { script } from './script.ts';

/**
 * Look-up and hold in one round trip. What lies at a key, here and in the other scripts:
 *   E<text>                      the entry of a settled operation
 *   L<waiting><attempt>:<owner>  who is at it; waiting is 1 once somebody else has asked
 *   P                            forgotten lately: no entry is taken
 * Anything else is as good as nothing.
 *
 * Returns  the entry (E...), 'H' held by the asker, 'L' by another, 'N' by nobody, or why it can't be written
 * Atomic   the look, and the hold or the mark that somebody waits
 */
const LOOK = `
  local found = redis.pcall('GET', key)
  if type(found) == 'string' then
    local kind = string.sub(found, 1, 1)
    if kind == 'E' then return found end
    if kind == 'P' then return 'N' end
    if kind == 'L' then
      local colon = string.find(found, ':', 1, true)
      if colon and string.sub(found, colon + 1) == owner then return 'H' end
      if colon then
        if string.sub(found, 2, 2) == '0' then
          local marked = redis.pcall('SET', key, 'L1' .. string.sub(found, 3), 'KEEPTTL')
          if marked.err then return marked end
        end
        return 'L'
      end
    end
  end
  local held = redis.pcall('SET', key, 'L00:' .. owner, 'PX', hold)
  if held.err then return held end
  return 'H'
`;

export const ask = script(`
-- KEYS[1]  the operation
-- ARGV[1]  owner who asks   ARGV[2]  hold, ms
local key, owner, hold = KEYS[1], ARGV[1], ARGV[2]
${LOOK}`);

/** What many callers ask together. Each gets what it would have got alone: the answers are as many as the keys, in their order. */
export const askTogether = script(`
-- KEYS[i]  the operations
-- ARGV[2i-1]  owner who asks   ARGV[2i]  hold, ms
-- Returns  one answer for each, or 'A': ask alone, the answer is large enough
local function look(key, owner, hold)${LOOK}end
local answers, bytes = {}, 0
for i, key in ipairs(KEYS) do
  if bytes > 262144 then
    answers[i] = 'A'
  else
    answers[i] = look(key, ARGV[2 * i - 1], ARGV[2 * i])
    bytes = bytes + #answers[i]
  end
end
return answers
`);
