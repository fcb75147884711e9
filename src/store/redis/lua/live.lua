-- Returns the two halves of the 64-bit number at a position.
local function halves(bytes, at)
  local a, b, c, d, e, f, g, h = string.byte(bytes, at, at + 7)
  return ((a * 256 + b) * 256 + c) * 256 + d, ((e * 256 + f) * 256 + g) * 256 + h
end

-- Returns the entry that is live at the given time, and false if there is none.
local function live(key, now)
  local entry = redis.call('GET', key)
  if not entry then
    return false
  end
  if #entry < 18 or string.byte(entry, 1) ~= 1 then
    return false, redis.error_reply('CORRUPT not an entry of this version')
  end
  local length = string.byte(entry, 18)
  if length > 0 and #entry < 18 + length + 32 then
    return false, redis.error_reply('CORRUPT the entry ends before its value')
  end
  local high, low = halves(entry, 10)
  local now_high, now_low = halves(now, 1)
  if high < now_high or (high == now_high and low <= now_low) then
    return false
  end
  return entry
end

-- A replica answers reads, and a server that has become one must not refuse for its primary. It rejects GETEX, which
-- otherwise equals GET. A success writes, which it rejects too; GETEX before that write would disable the memory check.
local function no(key, answer)
  redis.call('GETEX', key)
  return answer
end

