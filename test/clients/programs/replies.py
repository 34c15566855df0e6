"""What redis-py makes of the replies to everyday commands, as text. Arguments: host, port."""
import sys

import redis

r = redis.Redis(host=sys.argv[1], port=int(sys.argv[2]), db=0)


def show(name, call):
    try:
        print(name, repr(call()))
    except redis.exceptions.RedisError as error:
        print(name, type(error).__name__, error)


show("flushall", lambda: r.flushall())
show("set", lambda: r.set("a", b"\x00\xff bytes", px=90000))
show("get", lambda: r.get("a"))
show("set nx", lambda: r.set("a", "b", nx=True))
show("ttl", lambda: 0 < r.pttl("a") <= 90000)
show("incr", lambda: [r.incr("n") for _ in range(3)])
show("incrbyfloat", lambda: r.incrbyfloat("n", 0.5))
show("not a number", lambda: r.incr("a"))
show("mset", lambda: r.mset({"x": 1, "y": 2}))
show("mget", lambda: r.mget("x", "nosuch", "y"))
show("hset", lambda: r.hset("h", mapping={"f": "1", "g": "2"}))
show("hgetall", lambda: sorted(r.hgetall("h").items()))
show("rpush", lambda: r.rpush("l", "a", "b", "c"))
show("lrange", lambda: r.lrange("l", 0, -1))
show("wrong type", lambda: r.lpush("h", "x"))
show("sadd", lambda: r.sadd("s", "1", "2", "3"))
show("smembers", lambda: sorted(r.smembers("s")))
show("zadd", lambda: r.zadd("z", {"one": 1, "two": 2.5}))
show("zrange", lambda: r.zrange("z", 0, -1, withscores=True))
show("scan", lambda: sorted(r.scan_iter(match="?", count=3)))
show("type", lambda: r.type("z"))
show("script", lambda: r.register_script("return {KEYS[1], ARGV[1] + 1}")(keys=["k"], args=[41]))
show("script error", lambda: r.eval("return redis.call('incr', 'h')", 0))
pipe = r.pipeline()
pipe.set("p", "1").incr("p").get("p")
show("pipeline", lambda: pipe.execute())


def raise_counter(p):
    value = int(p.get("n2") or 0)
    p.multi()
    p.set("n2", value + 1)


show("transaction", lambda: r.transaction(raise_counter, "n2"))
subscriber = r.pubsub(ignore_subscribe_messages=True)
subscriber.subscribe("news")
subscriber.get_message(timeout=5)
show("publish", lambda: r.publish("news", "hello"))
show("message", lambda: subscriber.get_message(timeout=5))
lock = r.lock("held", timeout=5)
show("lock", lambda: lock.acquire())
show("second lock", lambda: r.lock("held", timeout=5).acquire(blocking=False))
show("extend", lambda: lock.extend(5))
show("release", lambda: lock.release())
show("release again", lambda: r.lock("held").release())
show("dbsize", lambda: r.dbsize())
