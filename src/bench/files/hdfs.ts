/** A real HDFS on this machine: a name node and data nodes, each in a Java process of its own, as it is deployed. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { freePort, run, until } from "../processes.ts";
import type { Process } from "../processes.ts";
import type { FileServer } from "./servers.ts";

const CLIENTS =
  process.env["QUORATE_CLIENTS"] ??
  resolve(import.meta.dirname, "../../../node_modules/.cache/quorate-clients");
const JARS = join(CLIENTS, "hadoop-3.4.1");
const READY_MS = 180_000;

/** Why there is none to stand beside; undefined: there is. */
export function lacksHdfs(): string | undefined {
  if (spawnSync("java", ["-version"]).status !== 0)
    return "java is not installed (package default-jre-headless)";
  return existsSync(JARS) ? undefined : "Hadoop's classes were not fetched (test/files/clients/install)";
}

export interface HdfsOptions {
  readonly folder: string;
  readonly nodes: number;
  /** A block is on the disk when it is closed; by default HDFS leaves that to the operating system. */
  readonly synced: boolean;
}

/** Ready when it takes files on all its data nodes. */
export async function startHdfs({ folder, nodes, synced }: HdfsOptions): Promise<FileServer> {
  const conf = join(folder, "conf");
  mkdirSync(conf, { recursive: true });
  const [http, rpc] = [await freePort(), await freePort()];
  const address = `127.0.0.1:${http}`;
  writeSettings(join(conf, "core-site.xml"), {
    "fs.defaultFS": `hdfs://127.0.0.1:${rpc}`,
    "hadoop.tmp.dir": join(folder, "tmp"),
  });
  writeSettings(join(conf, "hdfs-site.xml"), {
    "dfs.namenode.http-address": address,
    "dfs.namenode.name.dir": join(folder, "name"),
    "dfs.permissions.enabled": false,
    "dfs.replication": nodes,
    "dfs.datanode.synconclose": synced,
    "dfs.namenode.datanode.registration.ip-hostname-check": false,
  });
  const words = ["-cp", [conf, `${JARS}/*`].join(":")];
  const main = "org.apache.hadoop.hdfs.server";
  const formatted = spawnSync("java", [...words, `${main}.namenode.NameNode`, "-format", "-nonInteractive"]);
  if (formatted.status !== 0)
    throw new Error(`HDFS was not formatted: ${formatted.stderr.toString().slice(-500)}`);
  const processes: Process[] = [run("name node", "java", [...words, `${main}.namenode.NameNode`])];
  const stop = async (): Promise<void> => {
    await Promise.all(processes.map((each) => each.stop()));
  };
  try {
    for (let node = 0; node < nodes; node++) {
      const settings = {
        "dfs.datanode.data.dir": join(folder, `data-${node}`),
        "dfs.datanode.address": `127.0.0.1:${await freePort()}`,
        "dfs.datanode.http.address": `127.0.0.1:${await freePort()}`,
        "dfs.datanode.ipc.address": `127.0.0.1:${await freePort()}`,
      };
      const flags = Object.entries(settings).flatMap(([name, value]) => ["-D", `${name}=${value}`]);
      processes.push(run("data node", "java", [...words, `${main}.datanode.DataNode`, ...flags]));
    }
    await until("all data nodes of HDFS", READY_MS, () => knowsNodes(address, nodes));
  } catch (error) {
    await stop();
    throw error;
  }
  return { label: `HDFS 3.4.1${synced ? "" : ", unsynced"}`, address, user: "root", processes, stop };
}

async function knowsNodes(address: string, nodes: number): Promise<true | undefined> {
  const query = "qry=Hadoop:service=NameNode,name=FSNamesystemState";
  const { beans } = (await (await fetch(`http://${address}/jmx?${query}`)).json()) as {
    readonly beans: readonly { readonly NumLiveDataNodes?: number; readonly FSState?: string }[];
  };
  const [state] = beans;
  return (state?.NumLiveDataNodes === nodes && state.FSState === "Operational") || undefined;
}

function writeSettings(path: string, settings: Readonly<Record<string, string | number | boolean>>): void {
  const rows = Object.entries(settings).map(
    ([name, value]) => `<property><name>${name}</name><value>${value}</value></property>`,
  );
  writeFileSync(path, `<configuration>${rows.join("\n")}</configuration>\n`);
}
