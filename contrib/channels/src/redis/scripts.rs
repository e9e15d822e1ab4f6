//! What Redis does in one step.
//!
//! Rules of this room: each script leaves the server in order whatever came before it; what is too old is dropped by whoever comes across it,
//! and counted for the receiver.

use ::redis::Script;

pub(super) struct Scripts {
    /// Says something to one process: KEYS lease, number; ARGV topic, frame. Gives whether somebody listens.
    pub(super) say: Script,
    /// Says something to each process of a group and puts it into each named channel, unless those may be on other servers. KEYS group, named
    /// channels; ARGV the key prefix, frame, the sealed message, expiry, default capacity, whether all channels are here, then patterns and
    /// capacities. Gives delivered, full, gone, how many processes have heard it, these with counts, and the channels that are still to be served.
    pub(super) group: Script,
    /// Puts a message into a list: KEYS list; ARGV message, expiry, capacity, topic, channel. Gives whether there was room.
    pub(super) put: Script,
    /// Takes a message out of a list: KEYS list. Gives what was missed as full and as expired, and the message where there is one.
    pub(super) take: Script,
    /// Who is in a group: KEYS group, named channels; ARGV the key prefix. Gives the processes that live, and the named channels.
    pub(super) roll: Script,
    /// Adds a named channel to a group: KEYS named channels; ARGV channel, group expiry.
    pub(super) name: Script,
}

/// Milliseconds since the epoch.
const NOW: &str = "local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
";

/// Drops what is too old from the front of a list, and notes how many.
const TRIM: &str = "local function trim(list)
  local expired = 0
  while true do
    local first = redis.call('LINDEX', list, 0)
    if not first or tonumber(string.match(first, '^%d+')) > now then break end
    redis.call('LPOP', list)
    expired = expired + 1
  end
  if expired > 0 then redis.call('HINCRBY', list .. ':missed', 'expired', expired) end
end
local function put(list, message, expiry, capacity, topic, channel)
  trim(list)
  local room = redis.call('LLEN', list) < tonumber(capacity)
  if room then
    redis.call('RPUSH', list, string.format('%.0f', now + expiry) .. ':' .. message)
    redis.call('PEXPIRE', list, string.format('%.0f', expiry + 60000))
  else
    redis.call('HINCRBY', list .. ':missed', 'full', 1)
  end
  if redis.call('EXISTS', list .. ':missed') == 1 then
    redis.call('PEXPIRE', list .. ':missed', string.format('%.0f', expiry + 60000))
  end
  redis.call('PUBLISH', topic, channel)
  return room
end
";

const SAY: &str = "if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local number = redis.call('INCR', KEYS[2])
return redis.call('PUBLISH', ARGV[1], string.format('%.0f', number) .. ':' .. ARGV[2])
";

const GROUP: &str = "local prefix = ARGV[1]
local delivered, full, gone = 0, 0, 0
local answer = {}
local counts = redis.call('HGETALL', KEYS[1])
for i = 1, #counts, 2 do
  local process = counts[i]
  local heard = 0
  if redis.call('EXISTS', prefix .. 'lease:' .. process) == 1 then
    local number = redis.call('INCR', prefix .. 'number:' .. process)
    heard = redis.call('PUBLISH', prefix .. 'in:' .. process, string.format('%.0f', number) .. ':' .. ARGV[2])
  end
  if heard == 0 then
    redis.call('HDEL', KEYS[1], process)
    gone = gone + tonumber(counts[i + 1])
  else
    answer[#answer + 1] = process
    answer[#answer + 1] = counts[i + 1]
  end
end
local processes = #answer / 2
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now))
for _, channel in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  if ARGV[6] == '0' then
    answer[#answer + 1] = channel
  else
    local capacity = ARGV[5]
    for i = 7, #ARGV, 2 do
      if string.match(channel, ARGV[i]) then
        capacity = ARGV[i + 1]
        break
      end
    end
    if put(prefix .. 'list:' .. channel, ARGV[3], tonumber(ARGV[4]), capacity, prefix .. 'wake', channel) then
      delivered = delivered + 1
    else
      full = full + 1
    end
  end
end
for at, number in ipairs({delivered, full, gone, processes}) do
  table.insert(answer, at, string.format('%.0f', number))
end
return answer
";

const PUT: &str =
    "if put(KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]) then return 1 end
return 0
";

const TAKE: &str = "trim(KEYS[1])
local missed = KEYS[1] .. ':missed'
local full = redis.call('HGET', missed, 'full') or 0
local expired = redis.call('HGET', missed, 'expired') or 0
redis.call('DEL', missed)
local first = redis.call('LPOP', KEYS[1])
return {tonumber(full), tonumber(expired), first and string.gsub(first, '^%d+:', '', 1) or false}
";

const ROLL: &str = "local alive = {}
for _, process in ipairs(redis.call('HKEYS', KEYS[1])) do
  if redis.call('EXISTS', ARGV[1] .. 'lease:' .. process) == 1 then
    alive[#alive + 1] = process
  else
    redis.call('HDEL', KEYS[1], process)
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now))
return {alive, redis.call('ZRANGE', KEYS[2], 0, -1)}
";

const NAME: &str =
    "redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ARGV[2] + 60000))
";

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            say: Script::new(SAY),
            group: Script::new(&[NOW, TRIM, GROUP].concat()),
            put: Script::new(&[NOW, TRIM, PUT].concat()),
            take: Script::new(&[NOW, TRIM, TAKE].concat()),
            roll: Script::new(&[NOW, ROLL].concat()),
            name: Script::new(&[NOW, NAME].concat()),
        }
    }
}
