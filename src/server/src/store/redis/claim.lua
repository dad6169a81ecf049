-- Takes members that are due from the queues KEYS, in their order, at most ARGV[1] in all, and hides them for ARGV[2]
-- milliseconds by moving them behind: a claimer that dies gives them back by itself.
-- After the instant ARGV[3] nobody listens for the answer any more: a claim that lay in a buffer for so long takes nothing.
-- Answers the time, and for each member: the number of its queue, the member, and the instant it was due.

-- What unpack takes without running out of stack.
local AT_ONCE = 1000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local left = tonumber(ARGV[1])
local hidden_until = string.format('%.0f', now + tonumber(ARGV[2]))

local claimed = {}
if now > tonumber(ARGV[3]) then
  left = 0
end
for queue = 1, #KEYS do
  if left <= 0 then break end
  local due = redis.call('ZRANGEBYSCORE', KEYS[queue], '-inf', now, 'WITHSCORES', 'LIMIT', 0, left)
  local moved = {}
  for i = 1, #due, 2 do
    moved[#moved + 1] = hidden_until
    moved[#moved + 1] = due[i]
    if #moved == AT_ONCE or i + 1 == #due then
      redis.call('ZADD', KEYS[queue], 'XX', unpack(moved))
      moved = {}
    end
    claimed[#claimed + 1] = { queue, due[i], due[i + 1] }
  end
  left = left - #due / 2
end
return { string.format('%.0f', now), claimed }
