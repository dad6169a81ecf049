-- Applies changes of one shard, each whole or not at all. Redis runs a script alone, so nothing happens in between.
--
-- KEYS[1] is the shard's sequence and KEYS[2] where its commits are remembered; the others are those that the plan names by
-- their number. ARGV[1] and ARGV[2] are who commits and the number of the commit there, ARGV[3] is the plan; what comes behind
-- are texts, taken one after another where the plan says so. The plan is read from front to back, numbers of two octets but
-- for the letters:
--   how many numbers to draw from the sequence
--   the key of the stamps and a text, one of them ('' if no row stands on what one says); or 0, if there are no words at all
--   how many words beside what the stamp says, and for each: key; texts: code, word
--   how many changes, and for each
--     guards, and for each: key; texts: field ('' for a plain row), revision wanted ('' for absence)
--     octets of the plan and texts of its writes (to be skipped if a guard fails), writes, and for each: its letter, its key and
--     what follows there
-- Answers the time (6 octets), the revision before the first that a change drew (6 octets) and one octet for each change: '1' done, '0' conflict; '2' for all, and nothing was done, if a
-- word is not the one that the shard knows under its code, or the stamp is not one of the shard's. A commit that comes again
-- is answered as it was, with zeros for that revision, and does nothing; one that comes after a later one of its place is answered without any verdict.
--
-- The sequence is a clock: 128 numbers for each millisecond since 2020, and what is drawn beyond that runs ahead. So numbers
-- that were lost with a master are not given again by the one after it, and time never goes backwards within a shard.
--
-- A row is its revision (6 octets), '\0' or '\1' and the instant at which it expires (6 octets), and then its octets.
-- Plain rows expire by PX; fields of hashes cannot, so they carry the instant, and a note in the shard's sorted set
-- brings the sweep to them.
--
-- Words are never taken away, and whenever some are added a stamp is: whoever knows all words up to a stamp need not name
-- those that its rows stand on, as long as the shard knows the stamp.

local YEAR_2020 = 1577836800000
local REMEMBERED = 1800000

local call, byte, sub, pack, format = redis.call, string.byte, string.sub, struct.pack, string.format
local KEYS, ARGV = KEYS, ARGV
local plan, at, texts = ARGV[3], 1, 3
local function take_number()
  local high, low = byte(plan, at, at + 1)
  at = at + 2
  return high * 256 + low
end
local function take_key() return KEYS[take_number()] end
local function take()
  texts = texts + 1
  return ARGV[texts]
end

local place, number = ARGV[1], ARGV[2]
local drawn = take_number()

local sequence = tonumber(call('GET', KEYS[1]) or '0')
local time = call('TIME')
local now = math.max(time[1] * 1000 + math.floor(time[2] / 1000), YEAR_2020 + math.floor(sequence / 128))
local told = pack('>I6', now)

local remembered = call('HGET', KEYS[2], place)
if remembered and sub(remembered, 1, 6) >= number then
  -- Written again, so that whoever waits for replicas waits for it.
  call('HSET', KEYS[2], place, remembered)
  if sub(remembered, 1, 6) > number then return told end
  return told .. pack('>I6', 0) .. sub(remembered, 7)
end

if drawn > 0 then
  sequence = math.max(sequence, (now - YEAR_2020) * 128)
  call('SET', KEYS[1], format('%.0f', sequence + drawn))
end
local function draw()
  sequence = sequence + 1
  return pack('>I6', sequence)
end

-- The instant at which a row of a hash expires, or nil.
local function expiry(row)
  if byte(row, 7) == 1 then return (struct.unpack('>I6', sub(row, 8, 13))) end
end

local function revision(key, field)
  if field == '' then return call('GETRANGE', key, 0, 5) end
  local row = call('HGET', key, field)
  if not row then return '' end
  local expires = expiry(row)
  if expires and expires <= now then return '' end
  return sub(row, 1, 6)
end

local function write()
  local letter, high, low = byte(plan, at, at + 2)
  local key = KEYS[high * 256 + low]
  at = at + 3
  if letter == 115 then -- s, plain row: octets, milliseconds to keep ('' for ever).
    local octets, keep = take(), take()
    local row = draw() .. '\0' .. octets
    if keep == '' then call('SET', key, row) else call('SET', key, row, 'PX', keep) end
  elseif letter == 104 then -- h, row of a hash: field, octets.
    local field, octets = take(), take()
    call('HSET', key, field, draw() .. '\0' .. octets)
  elseif letter == 113 then -- q, member of a queue: due, member.
    local due, member = take(), take()
    call('ZADD', key, due, member)
  elseif letter == 114 then -- r, member that leaves a queue: member.
    call('ZREM', key, take())
  elseif letter == 97 then -- a, addition: field, by.
    local field, by = take(), take()
    call('HINCRBY', key, field, by)
  elseif letter == 108 then -- l, event: octets.
    sequence = sequence + 1
    call('XADD', key, format('%.0f-0', sequence), 'e', take())
  elseif letter == 101 then -- e, row of a hash that expires: field, octets, milliseconds to keep, note; key of the notes.
    local field, octets, expires, note = take(), take(), now + take(), take()
    call('HSET', key, field, draw() .. '\1' .. pack('>I6', expires) .. octets)
    call('ZADD', take_key(), format('%.0f', expires), note)
  elseif letter == 100 then -- d, delete: field ('' for a plain row).
    local field = take()
    if field == '' then call('DEL', key) else call('HDEL', key, field) end
  else -- x, sweep of a noted row: field, note; key of the notes.
    local field, note, notes = take(), take(), take_key()
    local row = call('HGET', key, field)
    local expires = row and expiry(row)
    if expires and expires > now then
      call('ZADD', notes, format('%.0f', expires), note)
    else
      if expires then call('HDEL', key, field) end
      call('ZREM', notes, note)
    end
  end
end

local stamps, new, clash = KEYS[take_number()], {}, false
if stamps then
  local stamp = take()
  clash = stamp ~= '' and call('HEXISTS', stamps, stamp) == 0
end
for _ = 1, take_number() do
  local key, code, word = take_key(), take(), take()
  local known = call('HGET', key, code)
  if not known then new[#new + 1] = { key, code, word } else clash = clash or known ~= word end
end
local verdicts = {}
local changes = take_number()
if clash then
  for change = 1, changes do verdicts[change] = '2' end
  changes = 0
elseif #new > 0 then
  for _, word in ipairs(new) do call('HSET', unpack(word)) end
  call('HSET', stamps, draw(), '')
end
local before = pack('>I6', sequence)
for change = 1, changes do
  local holds = true
  for _ = 1, take_number() do
    local key, field, wanted = take_key(), take(), take()
    holds = revision(key, field) == wanted and holds
  end
  local octets, skipped, writes = take_number(), take_number(), take_number()
  if holds then
    for _ = 1, writes do write() end
    verdicts[change] = '1'
  else
    at, texts = at + octets, texts + skipped
    verdicts[change] = '0'
  end
end
local answer = table.concat(verdicts)
if call('HSET', KEYS[2], place, number .. answer) == 1 and call('HLEN', KEYS[2]) == 1 then
  call('PEXPIRE', KEYS[2], REMEMBERED)
end
return told .. before .. answer
