#!/usr/bin/env python3
"""The mapper of a word count for Hadoop Streaming: a line "word<tab>1" for each word. Runs unchanged on Hadoop and here."""
import re
import sys

for number, line in enumerate(sys.stdin, 1):
    for word in re.findall(r"\w+", line.lower()):
        print(word + "\t1")
    if number % 10000 == 0:
        print("reporter:status:%d lines" % number, file=sys.stderr)
        print("reporter:counter:words,lines,10000", file=sys.stderr)
