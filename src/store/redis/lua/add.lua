-- A double cannot hold 64 bits, so a number is two of the same sign: billions and the rest.
local BILLION = 1000000000

local function is_beyond(high, low)
  if high >= 0 and low >= 0 then
    return high > 9223372036 or (high == 9223372036 and low > 854775807)
  end
  return high < -9223372036 or (high == -9223372036 and low < -854775808)
end

local function parse(text)
  local sign, digits = string.match(text, '^([+-]?)0*(%d*)$')
  if not sign or not string.find(text, '%d') or #digits > 19 then
    return nil
  end
  local high = tonumber(string.sub(digits, 1, -10)) or 0
  local low = tonumber(string.sub(digits, -9)) or 0
  if sign == '-' then
    high, low = -high, -low
  end
  if is_beyond(high, low) then
    return nil
  end
  return high, low
end

local function add(high, low, more_high, more_low)
  high, low = high + more_high, low + more_low
  if low >= BILLION then
    high, low = high + 1, low - BILLION
  elseif low <= -BILLION then
    high, low = high - 1, low + BILLION
  end
  if high > 0 and low < 0 then
    high, low = high - 1, low + BILLION
  elseif high < 0 and low > 0 then
    high, low = high + 1, low - BILLION
  end
  if is_beyond(high, low) then
    if high > 0 then
      return 9223372036, 854775807
    end
    return -9223372036, -854775808
  end
  return high, low
end

local function decimal(high, low)
  local sign = (high < 0 or low < 0) and '-' or ''
  high, low = math.abs(high), math.abs(low)
  if high == 0 then
    return sign .. string.format('%.0f', low)
  end
  return sign .. string.format('%.0f%09.0f', high, low)
end

local entry, fault = live(KEYS[1], ARGV[1])
if fault then
  return fault
end
local version, amount = ARGV[4], ARGV[5]
if not entry then
  if amount == '0' then
    return amount
  end
  write(KEYS[1], '\1' .. version .. ARGV[3] .. '\0' .. amount, ARGV[2])
  return amount
end
local length = string.byte(entry, 18)
local text = string.sub(entry, length == 0 and 19 or 18 + length + 33)
local high, low = parse(text)
if not high then
  return redis.error_reply('CORRUPT not a number')
end
local sum = decimal(add(high, low, parse(amount)))
if sum == '0' then
  redis.call('DEL', KEYS[1])
  return sum
end
redis.call('SET', KEYS[1], '\1' .. version .. string.sub(entry, 10, 17) .. '\0' .. sum, 'KEEPTTL')
return sum
