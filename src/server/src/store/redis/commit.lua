-- Applies changes of one shard, each whole or not at all. Redis runs a script alone, so nothing happens in between.
--
-- KEYS[1] is the shard's sequence and KEYS[2] where its commits are remembered; the others are those that the arguments
-- name by their number. ARGV is read from front to back: who commits and the number of the commit there, how many numbers to
-- draw from the sequence, how many words and for each: key, code, word; how many changes, and for each change
--   guards, and for each: key, field ('' for a plain row), revision wanted ('' for absence)
--   arguments of its writes (to be skipped if a guard fails), writes, and for each: its letter and what follows there
-- Answers the time (6 octets) and one octet for each change: '1' done, '0' conflict; '2' for all, and nothing was done, if a
-- word is not the one that the shard knows under its code. A commit that comes again is answered
-- as it was and does nothing; one that comes after a later one of its place is answered without any verdict.
--
-- The sequence is a clock: 128 numbers for each millisecond since 2020, and what is drawn beyond that runs ahead. So numbers
-- that were lost with a master are not given again by the one after it, and time never goes backwards within a shard.
--
-- A row is its revision (6 octets), '\0' or '\1' and the instant at which it expires (6 octets), and then its octets.
-- Plain rows expire by PX; fields of hashes cannot, so they carry the instant, and a note in the shard's sorted set
-- brings the sweep to them.

local YEAR_2020 = 1577836800000
local REMEMBERED = 1800000

local at = 0
local function take()
  at = at + 1
  return ARGV[at]
end
local function take_number() return tonumber(take()) end
local function take_key() return KEYS[take_number()] end

local place, number = take(), take()
local drawn = take_number()

local sequence = tonumber(redis.call('GET', KEYS[1]) or '0')
local time = redis.call('TIME')
local now = math.max(time[1] * 1000 + math.floor(time[2] / 1000), YEAR_2020 + math.floor(sequence / 128))
local told = struct.pack('>I6', now)

local remembered = redis.call('HGET', KEYS[2], place)
if remembered and string.sub(remembered, 1, 6) >= number then
  -- Written again, so that whoever waits for replicas waits for it.
  redis.call('HSET', KEYS[2], place, remembered)
  if string.sub(remembered, 1, 6) > number then return told end
  return told .. string.sub(remembered, 7)
end

if drawn > 0 then
  sequence = math.max(sequence, (now - YEAR_2020) * 128)
  redis.call('SET', KEYS[1], string.format('%.0f', sequence + drawn))
end
local function draw()
  sequence = sequence + 1
  return sequence
end

-- The instant at which a row of a hash expires, or nil.
local function expiry(row)
  if string.byte(row, 7) == 1 then return (struct.unpack('>I6', string.sub(row, 8, 13))) end
end
local function is_gone(row)
  local expires = expiry(row)
  return expires and expires <= now
end

local function revision(key, field)
  if field == '' then return redis.call('GETRANGE', key, 0, 5) end
  local row = redis.call('HGET', key, field)
  if not row or is_gone(row) then return '' end
  return string.sub(row, 1, 6)
end

local write = {
  -- Plain row: key, octets, milliseconds to keep ('' for ever).
  s = function()
    local key, octets, keep = take_key(), take(), take()
    local row = struct.pack('>I6', draw()) .. '\0' .. octets
    if keep == '' then redis.call('SET', key, row) else redis.call('SET', key, row, 'PX', keep) end
  end,
  -- Row of a hash: key, field, octets.
  h = function()
    local key, field, octets = take_key(), take(), take()
    redis.call('HSET', key, field, struct.pack('>I6', draw()) .. '\0' .. octets)
  end,
  -- Row of a hash that expires: key, field, octets, milliseconds to keep, key of the notes, note.
  e = function()
    local key, field, octets, keep, notes, note = take_key(), take(), take(), take_number(), take_key(), take()
    local expires = now + keep
    redis.call('HSET', key, field, struct.pack('>I6', draw()) .. '\1' .. struct.pack('>I6', expires) .. octets)
    redis.call('ZADD', notes, string.format('%.0f', expires), note)
  end,
  -- Delete: key, field ('' for a plain row).
  d = function()
    local key, field = take_key(), take()
    if field == '' then redis.call('DEL', key) else redis.call('HDEL', key, field) end
  end,
  -- Addition: key, field, by.
  a = function()
    local key, field, by = take_key(), take(), take()
    redis.call('HINCRBY', key, field, by)
  end,
  -- Member of a queue: key, due, member.
  q = function()
    local key, due, member = take_key(), take(), take()
    redis.call('ZADD', key, due, member)
  end,
  -- Member that leaves a queue: key, member.
  r = function()
    local key, member = take_key(), take()
    redis.call('ZREM', key, member)
  end,
  -- Event: key, octets.
  l = function()
    local key, octets = take_key(), take()
    redis.call('XADD', key, string.format('%.0f-0', draw()), 'e', octets)
  end,
  -- Sweep of a noted row: key, field, key of the notes, note.
  x = function()
    local key, field, notes, note = take_key(), take(), take_key(), take()
    local row = redis.call('HGET', key, field)
    local expires = row and expiry(row)
    if expires and expires > now then
      redis.call('ZADD', notes, string.format('%.0f', expires), note)
    else
      if expires then redis.call('HDEL', key, field) end
      redis.call('ZREM', notes, note)
    end
  end,
}

local new, clash = {}, false
for _ = 1, take_number() do
  local key, code, word = take_key(), take(), take()
  local known = redis.call('HGET', key, code)
  if not known then new[#new + 1] = { key, code, word } else clash = clash or known ~= word end
end
local verdicts = {}
local changes = take_number()
if clash then
  for change = 1, changes do verdicts[change] = '2' end
  changes = 0
else
  for _, word in ipairs(new) do redis.call('HSET', unpack(word)) end
end
for change = 1, changes do
  local holds = true
  for _ = 1, take_number() do
    local key, field, wanted = take_key(), take(), take()
    holds = revision(key, field) == wanted and holds
  end
  local arguments, writes = take_number(), take_number()
  if holds then
    for _ = 1, writes do write[take()]() end
    verdicts[change] = '1'
  else
    at = at + arguments
    verdicts[change] = '0'
  end
end
local answer = table.concat(verdicts)
if redis.call('HSET', KEYS[2], place, number .. answer) == 1 then redis.call('PEXPIRE', KEYS[2], REMEMBERED) end
return told .. answer
