/** A whole HDFS in one Java process: a name node, data nodes, and WebHDFS. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../free-ports.ts";
import { hadoopWords } from "./program.ts";

const START_TIMEOUT_MS = 90_000;

export interface Hdfs {
  /** "host:port" of WebHDFS. */
  readonly address: string;
  /** "host:port" of its own protocol. */
  readonly rpc: string;
  /** Below it are the disks of the data nodes. */
  readonly directory: string;
  close(): Promise<void>;
}

export async function startHdfs(dataNodes = 1): Promise<Hdfs> {
  const directory = mkdtempSync(join(tmpdir(), "quorate-hdfs-"));
  const [http = 0, rpc = 0] = await freePorts(2);
  const settings = {
    "dfs.replication": 1,
    "dfs.permissions.enabled": false,
    "hdfs.minidfs.basedir": directory,
  };
  const words = hadoopWords("test.MiniDFSClusterManager", [
    "-format",
    "-datanodes",
    String(dataNodes),
    "-nnport",
    String(rpc),
    "-httpport",
    String(http),
    ...Object.entries(settings).flatMap(([name, value]) => ["-D", `${name}=${value}`]),
  ]);
  const child = spawn("java", words, { cwd: directory, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-2000)));
  }
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const close = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
    rmSync(directory, { recursive: true, force: true });
  };
  const address = `127.0.0.1:${http}`;
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await takesFiles(address, dataNodes))) {
    if (performance.now() > deadline || child.exitCode !== null) {
      await close();
      throw new Error(`HDFS did not start: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return { address, rpc: `127.0.0.1:${rpc}`, directory, close };
}

/** It is there when all of its data nodes are, and it would send a file to one. */
async function takesFiles(address: string, dataNodes: number): Promise<boolean> {
  try {
    const state = `http://${address}/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState`;
    if (!(await (await fetch(state)).text()).includes(`"NumLiveDataNodes" : ${dataNodes},`)) return false;
    const url = `http://${address}/webhdfs/v1/probe?op=CREATE&user.name=root`;
    return (await fetch(url, { method: "PUT", redirect: "manual" })).status === 307;
  } catch {
    return false;
  }
}
