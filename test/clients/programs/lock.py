"""A lock as any tutorial on redis-py shows it. Arguments: host, port. Nothing here knows which server answers."""
import sys

import redis

r = redis.Redis(host=sys.argv[1], port=int(sys.argv[2]), db=0)

with r.lock("my_lock", timeout=5):
    r.set("order", "paid")
    print(r.get("order").decode(), r.get("my_lock") is not None)

print(r.get("my_lock"))
