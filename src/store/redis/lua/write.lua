local function write(key, entry, ttl)
  if ttl == '' then
    redis.call('SET', key, entry)
  elseif ttl == '0' then
    redis.call('DEL', key)
  else
    redis.call('SET', key, entry, 'PX', ttl)
  end
end

