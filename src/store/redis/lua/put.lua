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
-- Without memory Redis rejects SET, but not after a DEL in the same script. A value no longer than the one it replaces needs
-- none, so a device can be revoked or a code used up.
if entry and #ARGV[3] <= #entry then
  local reply = write(KEYS[1], ARGV[3], ARGV[2], redis.pcall)
  if type(reply) ~= 'table' or not reply.err then
    return 1
  end
  if string.find(reply.err, 'OOM', 1, true) then
    redis.call('DEL', KEYS[1])
  end
end
write(KEYS[1], ARGV[3], ARGV[2])
return 1
