//! Names of commands: which are known, and which have a subcommand.

/// Commands of Redis 7 and Valkey 8, in lower case.
const COMMANDS: &str = " acl append asking auth bf.add bf.exists bgrewriteaof bgsave bitcount bitfield bitfield_ro bitop bitpos blmove \
    blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin client cluster command config copy dbsize debug decr decrby del discard dump \
    echo eval eval_ro evalsha evalsha_ro exec exists expire expireat expiretime failover fcall fcall_ro flushall flushdb ft.create \
    ft.search function geoadd geodist geohash geopos georadius georadius_ro georadiusbymember georadiusbymember_ro geosearch \
    geosearchstore get getbit getdel getex getrange getset hdel hello hexists hexpire hget hgetall hgetdel hgetex hincrby hincrbyfloat \
    hkeys hlen hmget hmset hpersist hpexpire hpttl hrandfield hscan hset hsetex hsetnx hstrlen httl hvals incr incrby incrbyfloat info \
    json.del json.get json.mget json.set keys lastsave latency lcs lindex linsert llen lmove lmpop lolwut lpop lpos lpush lpushx lrange \
    lrem lset ltrim memory mget migrate module monitor move mset msetnx multi object persist pexpire pexpireat pexpiretime pfadd pfcount \
    pfdebug pfmerge pfselftest ping psetex psubscribe psync pttl publish pubsub punsubscribe quit randomkey readonly readwrite rename \
    renamenx replconf replicaof reset restore restore-asking role rpop rpoplpush rpush rpushx sadd save scan scard script sdiff \
    sdiffstore select sentinel set setbit setex setnx setrange shutdown sinter sintercard sinterstore sismember slaveof slowlog \
    smembers smismember smove sort sort_ro spop spublish srandmember srem sscan ssubscribe strlen subscribe substr sunion sunionstore \
    sunsubscribe swapdb sync time touch ttl type unlink unsubscribe unwatch wait waitaof watch xack xadd xautoclaim xclaim xdel xgroup \
    xinfo xlen xpending xrange xread xreadgroup xrevrange xsetid xtrim zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard \
    zinterstore zlexcount zmpop zmscore zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore zrank zrem \
    zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunion zunionstore ";

/// Those whose first argument is a command of its own.
const CONTAINERS: &str = " acl client cluster command config debug function ft.config ft.cursor json.debug latency memory module object \
    pubsub script sentinel slowlog xgroup xinfo ";

/// The longest name that is looked up.
const LONGEST: usize = 24;

/// Whether this is a command's name, in any case.
pub fn is_known(name: &[u8]) -> bool {
    is_of(COMMANDS, name)
}

/// Whether a command has a subcommand.
pub fn is_container(name: &[u8]) -> bool {
    is_of(CONTAINERS, name)
}

/// Whether this can be a command's name at all: those of modules have a dot (`JSON.SET`).
pub fn is_word(name: &[u8]) -> bool {
    let within = |b: &u8| b.is_ascii_alphanumeric() || b"._-|".contains(b);
    !name.is_empty() && name.len() <= 64 && name.first().is_some_and(u8::is_ascii_alphabetic) && name.iter().all(within)
}

fn is_of(names: &str, name: &[u8]) -> bool {
    is_word(name) && name.len() <= LONGEST && found(names, &[b" ", name.to_ascii_lowercase().as_slice(), b" "].concat())
}

fn found(names: &str, what: &[u8]) -> bool {
    memchr::memmem::find(names.as_bytes(), what).is_some()
}
