"""What a user of fsspec's webhdfs does; prints each answer as a line of JSON."""
import json
import sys

import fsspec

host, port = sys.argv[1].split(":")
fs = fsspec.filesystem("webhdfs", host=host, port=int(port), user="quorate", skip_instance_cache=True)


def tell(step, value):
    print(json.dumps([step, value]))


fs.mkdirs("/spec/d", exist_ok=True)
with fs.open("/spec/d/a.txt", "wb") as writer:
    writer.write(b"hello fsspec\n")
# More than one block of five million bytes: many posts to one location of APPEND.
with fs.open("/spec/d/big", "wb", block_size=5 * 2**20) as writer:
    for each in range(13):
        writer.write(bytes([each]) * 10**6)
tell("size", fs.info("/spec/d/big")["size"])
with fs.open("/spec/d/big", "rb") as reader:
    reader.seek(11 * 10**6)
    tell("seek", [reader.read(3).hex(), len(reader.read())])
tell("cat", fs.cat("/spec/d/a.txt").decode())
tell("range", fs.cat_file("/spec/d/a.txt", start=6, end=12).decode())
tell("ls", sorted(fs.ls("/spec/d", detail=False)))
tell("exists", [fs.exists("/spec/d/a.txt"), fs.exists("/spec/none")])
try:
    fs.info("/spec/none")
except FileNotFoundError:
    tell("missing", "FileNotFoundError")
tell("checksum", fs.ukey("/spec/d/a.txt")["algorithm"])
tell("home", fs.home_directory())
fs.mv("/spec/d/a.txt", "/spec/d/b.txt")
fs.set_replication("/spec/d/b.txt", 2)
tell("replication", fs.info("/spec/d/b.txt")["replication"])
tell("summary", fs.content_summary("/spec")["fileCount"])
fs.rm("/spec", recursive=True)
tell("gone", fs.exists("/spec"))
