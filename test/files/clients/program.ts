/** Runs a client to its end, beside a server in this process. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { WEBHDFS_CLIENTS } from "../../engines.ts";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Options {
  readonly environment?: NodeJS.ProcessEnv;
  /** For its standard input. */
  readonly input?: string | Uint8Array;
  readonly directory?: string;
}

export function runProgram(command: string, args: readonly string[], options: Options = {}): Promise<Ended> {
  const child = spawn(command, args, {
    env: { ...process.env, ...options.environment },
    ...(options.directory === undefined ? {} : { cwd: options.directory }),
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** Settings that make one short command quick, and let Hadoop read into the inside of a Java that does not like it. */
const JAVA = [
  "-XX:TieredStopAtLevel=1",
  "-XX:+UseSerialGC",
  ...["java.lang", "java.util", "java.net", "java.io"].map(
    (name) => `--add-opens=java.base/${name}=ALL-UNNAMED`,
  ),
];

/** What `java` is given to run a class of Hadoop, of the jars in this folder of the clients'. */
export function hadoopWords(
  main: string,
  args: readonly string[],
  fetched = "hadoop-3.4.1",
): readonly string[] {
  const folder = join(WEBHDFS_CLIENTS, fetched);
  const jars = readdirSync(folder)
    .filter((name) => name.endsWith(".jar"))
    .toSorted()
    .map((name) => join(folder, name));
  // Classes are loaded from there when it was made for this class path (`install`), else from the jars: nothing is said of it.
  const shared = `${folder}.jsa`;
  const sharing = existsSync(shared) ? [`-XX:SharedArchiveFile=${shared}`, "-Xlog:disable"] : [];
  // This folder has the core-site.xml. It comes last: what is shared is known by what comes before.
  const classPath = [...jars, import.meta.dirname].join(":");
  return [...JAVA, ...sharing, "-cp", classPath, `org.apache.hadoop.${main}`, ...args];
}

/** One of Hadoop's own programs, such as "fs.FsShell", as `user`. */
export function hadoop(
  main: string,
  args: readonly string[],
  user: string,
  options: Options = {},
): Promise<Ended> {
  return runProgram("java", hadoopWords(main, args), {
    ...options,
    environment: { HADOOP_USER_NAME: user, TZ: "UTC", LC_ALL: "C.UTF-8", ...options.environment },
  });
}
