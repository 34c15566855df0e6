// What a user of npm's webhdfs does; prints each answer as a line of JSON.
const { createRequire } = require("node:module");
const { Readable } = require("node:stream");
const [, , folder, address] = process.argv;
const WebHDFS = createRequire(`${folder}/`)("webhdfs");
const [host, port] = address.split(":");
const hdfs = WebHDFS.createClient({ user: "quorate", host, port, path: "/webhdfs/v1" });
const tell = (step, value) => console.log(JSON.stringify([step, value]));
const call = (method, ...args) =>
  new Promise((resolve, reject) =>
    hdfs[method](...args, (error, value) => (error ? reject(error) : resolve(value))),
  );
const streamed = (stream, end) =>
  new Promise((resolve, reject) => {
    const parts = [];
    stream.on("data", (part) => parts.push(part));
    stream.on("finish", () => resolve(Buffer.concat(parts.map((part) => Buffer.from(part))).toString()));
    stream.on("error", reject);
    end?.(stream);
  });

(async () => {
  await call("mkdir", "/npm", "0755");
  await call("writeFile", "/npm/a.txt", "hello npm");
  tell("read", (await call("readFile", "/npm/a.txt")).toString());
  await call("appendFile", "/npm/a.txt", " again");
  tell("appended", (await call("readFile", "/npm/a.txt")).toString());
  tell(
    "list",
    (await call("readdir", "/npm")).map((entry) => entry.pathSuffix),
  );
  tell("stat", (await call("stat", "/npm/a.txt")).length);
  await streamed(hdfs.createWriteStream("/npm/s.txt"), (stream) =>
    Readable.from([Buffer.from("streamed")]).pipe(stream),
  );
  tell("stream", await streamed(hdfs.createReadStream("/npm/s.txt")));
  await call("rename", "/npm/a.txt", "/npm/b.txt");
  tell("exists", await new Promise((resolve) => hdfs.exists("/npm/b.txt", resolve)));
  await call("chmod", "/npm/b.txt", "0600");
  tell("missing", await call("stat", "/npm/none").catch((error) => error.message));
  await call("unlink", "/npm", true);
  tell("gone", await new Promise((resolve) => hdfs.exists("/npm", resolve)));
})().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
