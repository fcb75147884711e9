local entry, fault = live(KEYS[1], ARGV[1])
if fault then
  return fault
end
local expected = ARGV[4]
if expected == '' then
  if entry then
    return no(KEYS[1], 0)
  end
elseif not entry or string.sub(entry, 2, 9) ~= expected then
  return no(KEYS[1], 0)
end
write(KEYS[1], ARGV[3], ARGV[2])
return 1
