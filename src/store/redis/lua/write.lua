local function write(key, entry, ttl, run)
  run = run or redis.call
  if ttl == '' then
    return run('SET', key, entry)
  elseif ttl == '0' then
    return run('DEL', key)
  end
  return run('SET', key, entry, 'PX', ttl)
end

