"""Counts under a lock. Arguments: host, port, rounds, the name of the counter, and "retry" for what redis-py offers against broken connections.

Prints the count after every round; any other error ends it with its trace.
"""
import sys

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

host, port, rounds, key = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), f"counter:{sys.argv[4]}"
options = {}
if "retry" in sys.argv:
    options = {
        "retry": Retry(ConstantBackoff(0.1), 100),
        "retry_on_error": [redis.exceptions.ConnectionError, redis.exceptions.TimeoutError],
    }
r = redis.Redis(host=host, port=port, db=0, **options)

for number in range(rounds):
    try:
        with r.lock("counter_lock", timeout=5):
            value = int(r.get(key) or 0) + 1
            r.set(key, value)
    except redis.exceptions.LockNotOwnedError:
        # The release was carried out, its reply was lost with the connection, and the retry found the lock gone.
        if "retry" not in sys.argv:
            raise
    print(value, flush=True)
