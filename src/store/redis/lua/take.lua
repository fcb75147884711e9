local entry, fault = live(KEYS[1], ARGV[1])
if fault then
  return fault
end
local group = ARGV[2]
if not entry or (group ~= '' and string.sub(entry, 18, 17 + #group) ~= group) then
  return no(KEYS[1], false)
end
redis.call('DEL', KEYS[1])
return entry
