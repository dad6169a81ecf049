-- Takes members that are due from the queues KEYS, in their order, at most ARGV[1] in all, and hides them for ARGV[2]
-- milliseconds by moving them behind: a claimer that dies gives them back by itself.
-- Answers for each: the number of its queue, its member, and the instant it was due.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local left = tonumber(ARGV[1])
local hidden_until = string.format('%.0f', now + tonumber(ARGV[2]))

local claimed = {}
for queue = 1, #KEYS do
  if left <= 0 then break end
  local due = redis.call('ZRANGEBYSCORE', KEYS[queue], '-inf', now, 'WITHSCORES', 'LIMIT', 0, left)
  for i = 1, #due, 2 do
    redis.call('ZADD', KEYS[queue], 'XX', hidden_until, due[i])
    claimed[#claimed + 1] = { queue, due[i], due[i + 1] }
  end
  left = left - #due / 2
end
return claimed
