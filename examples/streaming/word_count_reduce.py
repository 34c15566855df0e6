#!/usr/bin/env python3
"""The reducer, and the combiner: lines come sorted by word, so that those of one word are neighbours."""
import sys
from itertools import groupby

pairs = (line.rstrip("\n").split("\t", 1) for line in sys.stdin)
for word, group in groupby(pairs, key=lambda pair: pair[0]):
    print(word + "\t" + str(sum(int(count) for _, count in group)))
