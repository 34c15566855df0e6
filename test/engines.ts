/**
 * Which other programs this machine has for the tests: the one place that decides it.
 *
 * The tests need nothing but Node.js and npm. One that compares with a real engine, or uses a client that is no npm
 * package, asks here, and is skipped with the reason printed when there is none. In CI (`CI=true`) nothing may be skipped
 * unseen: the same question throws, and the test's file fails. `QUORATE_ENGINES=none` says that there are none, as on a
 * machine that has just Node.js; it goes before CI.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join, resolve } from "node:path";

export type Program =
  | "redis-server"
  | "redis-cli"
  | "redis-benchmark"
  | "redis-py"
  | "current redis-py"
  | "network namespaces"
  | "outside address"
  | "curl"
  | "hadoop"
  | "hadoop mapreduce"
  | "hdfs and fsspec of Python"
  | "webhdfs of npm"
  | "python3";

/** Where `test/files/clients/install` puts the clients of WebHDFS, and a redis-py of today. */
export const WEBHDFS_CLIENTS: string =
  process.env["QUORATE_CLIENTS"] ?? resolve(import.meta.dirname, "../node_modules/.cache/quorate-clients");

/** Debian's Python first: its packages are not those of another Python that comes first on the PATH. */
const PYTHONS = ["/usr/bin/python3", "python3"];

const reasons = new Map<Program, string | undefined>();

/** True when a program is not here; says why, once a file. Throws in CI. For `test.skipIf` and `describe.skipIf`. */
export function lacks(...programs: readonly Program[]): boolean {
  const missing = programs.flatMap((program) => {
    if (!reasons.has(program)) reasons.set(program, whyNot(program));
    return reasons.get(program) ?? [];
  });
  if (missing.length === 0) return false;
  const reason = missing.join("; ");
  if (process.env["CI"] === "true" && process.env["QUORATE_ENGINES"] !== "none") {
    throw new Error(`nothing is skipped in CI: ${reason}`);
  }
  console.log(`skipped: ${reason}`);
  return true;
}

/** Debian's, which speaks RESP2, and today's, which begins with RESP3. */
export const REDIS_PYS = ["redis-py", "current redis-py"] as const;

/** The words that run a program of Python that has redis-py: command, arguments. Throws when there is none: ask `lacks` first. */
export function python(kind: (typeof REDIS_PYS)[number]): readonly [string, ...string[]] {
  if (kind === "current redis-py")
    return ["env", `PYTHONPATH=${join(WEBHDFS_CLIENTS, "redis-py")}`, "python3"];
  const found = PYTHONS.find((each) => succeeds(each, ["-c", "import redis"]));
  if (found === undefined) throw new Error("no Python here has redis-py");
  return [found];
}

/** An address of this machine by which a connection does not come from the loopback interface. */
export function outsideAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return all.find(({ family, internal }) => family === "IPv4" && !internal)?.address;
}

function whyNot(program: Program): string | undefined {
  if (process.env["QUORATE_ENGINES"] === "none") return `no ${program}: QUORATE_ENGINES=none`;
  switch (program) {
    case "redis-server":
      return wrongRedis();
    case "redis-cli":
    case "redis-benchmark":
      return succeeds(program, ["--version"])
        ? undefined
        : `${program} is not installed (package redis-tools)`;
    case "redis-py":
      return PYTHONS.some((each) => succeeds(each, ["-c", "import redis"]))
        ? undefined
        : "no Python here has redis-py (package python3-redis)";
    case "current redis-py":
      return succeeds("python3", ["--version"])
        ? notFetched(program, "redis-py")
        : "python3 is not installed";
    case "network namespaces":
      return noNamespaces();
    case "outside address":
      return outsideAddress() === undefined ? "this machine has no address but loopback" : undefined;
    case "curl":
      return succeeds("curl", ["--version"]) ? undefined : "curl is not installed (package curl)";
    case "hadoop":
      if (!succeeds("java", ["-version"])) return "java is not installed (package default-jre-headless)";
      return notFetched(program, "hadoop-3.4.1");
    case "hadoop mapreduce":
      if (!succeeds("java", ["-version"])) return "java is not installed (package default-jre-headless)";
      return notFetched(program, "hadoop-mapreduce-3.4.2");
    case "python3":
      return succeeds("python3", ["--version"]) ? undefined : "python3 is not installed";
    case "hdfs and fsspec of Python":
      return succeeds("python3", ["--version"]) ? notFetched(program, "python") : "python3 is not installed";
    case "webhdfs of npm":
      return notFetched(program, "npm");
  }
}

/** Only 7.0 is the reference: other versions answer otherwise in places. */
function wrongRedis(): string | undefined {
  const { stdout } = spawnSync("redis-server", ["--version"], { encoding: "utf8" });
  const version = /v=(\d+\.\d+)/.exec(stdout ?? "")?.[1];
  if (version === undefined) return "redis-server is not installed (package redis-server)";
  return version === "7.0" ? undefined : `redis-server is ${version}, the reference is 7.0`;
}

function notFetched(program: Program, folder: string): string | undefined {
  if (existsSync(join(WEBHDFS_CLIENTS, folder))) return undefined;
  return `${program} was not fetched (test/files/clients/install)`;
}

function noNamespaces(): string | undefined {
  if (!succeeds("ip", ["-V"])) return "no network namespaces: ip is not installed (package iproute2)";
  const name = `quorate-probe-${process.pid}`;
  if (!succeeds("ip", ["netns", "add", name])) return "no network namespaces: they take root's rights";
  spawnSync("ip", ["netns", "delete", name]);
  return undefined;
}

function succeeds(program: string, args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: "ignore" }).status === 0;
}
