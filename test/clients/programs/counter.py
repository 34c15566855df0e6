"""Counts under a lock, without a thought for failures. Arguments: host, port, rounds, 1 to let redis-py retry.

Prints the number of every round that was done; any error ends it with its trace.
"""
import sys

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

host, port, rounds, retries = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "1"
options = {}
if retries:
    options = {
        "retry": Retry(ConstantBackoff(0.1), 100),
        "retry_on_error": [redis.exceptions.ConnectionError, redis.exceptions.TimeoutError],
    }
r = redis.Redis(host=host, port=port, db=0, **options)

for number in range(rounds):
    with r.lock("counter_lock", timeout=5):
        value = int(r.get("counter") or 0)
        r.set("counter", value + 1)
    print(value + 1, flush=True)
