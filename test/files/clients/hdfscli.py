"""What a user of Python's `hdfs` does; prints each answer as a line of JSON."""
import json
import sys

from hdfs import InsecureClient
from hdfs.util import HdfsError

address = sys.argv[1]
client = InsecureClient("http://" + address, user="quorate", root="/py")


def tell(step, value):
    print(json.dumps([step, value]))


client.makedirs("/py/d")
client.write("d/a.txt", data="grün\n", encoding="utf-8")
client.write("d/a.txt", data=(b"more%d\n" % each for each in range(1000)), append=True)
with client.read("d/a.txt", encoding="utf-8", delimiter="\n") as reader:
    lines = [line for line in reader if line != ""]
tell("lines", [lines[0], lines[-1], len(lines)])
with client.read("d/a.txt", offset=6, length=5) as reader:
    tell("range", reader.read().decode())
with client.write("d/b.bin") as writer:
    for each in range(20):
        writer.write(bytes([each]) * 70000)
tell("status", {key: client.status("d/b.bin")[key] for key in ("length", "type", "permission", "owner")})
tell("list", client.list("d"))
tell("missing", client.status("d/none", strict=False))
try:
    client.write("d/a.txt", data=b"x")
except HdfsError as error:
    tell("exists", [error.exception, "already exists" in str(error)])
client.write("d/a.txt", data=b"over", overwrite=True)
tell("content", client.content("d")["length"])
client.rename("d/a.txt", "d/c.txt")
client.set_permission("d/c.txt", "600")
client.set_times("d/c.txt", modification_time=1500000000000)
tell("changed", [client.status("d/c.txt")["permission"], client.status("d/c.txt")["modificationTime"]])
tell("checksum", client.checksum("d/c.txt")["algorithm"])
tell("acl", client.acl_status("d/c.txt")["owner"])
tell("walk", [[path, dirs, files] for path, dirs, files in client.walk("/py")])
tell("upload", client.upload("up.py", __file__))
tell("delete", [client.delete("d/c.txt"), client.delete("d/c.txt")])
try:
    client.delete("d")
except HdfsError as error:
    tell("not empty", error.exception)
tell("recursive", client.delete("d", recursive=True))
