/** Servers of files over HTTP, and their processes: ours, and nginx, which sends a file as fast as a machine can. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { quorateLeader, startQuorate } from "../engines.ts";
import { freePort, run, until } from "../processes.ts";
import type { Process } from "../processes.ts";

export interface FileServer {
  readonly label: string;
  /** "host:port" of its WebHDFS. */
  readonly address: string;
  /** Who may do everything there. */
  readonly user: string;
  readonly processes: readonly Process[];
  stop(): Promise<void>;
}

const READY_MS = 60_000;

/**
 * `nodes` processes of Quorate; the first of `processes` is the one at the address, which leads. `founded`: their data is there
 * already.
 */
export async function startFiles(folder: string, nodes: number, founded = false): Promise<FileServer> {
  const engine = await startQuorate(folder, nodes, [], founded);
  try {
    const { http, pids } = await until("a leader", READY_MS, () => quorateLeader(engine.port));
    await until("all nodes with their blocks", READY_MS, async () => {
      const answer = await fetch(`http://${http}/files/v1/report`);
      const report = (await answer.json()) as { readonly nodes?: readonly { readonly live: boolean }[] };
      return report.nodes?.filter(({ live }) => live).length === nodes || undefined;
    });
    const processes = pids.map((pid) => ({
      name: "node",
      pid,
      kill: (signal: NodeJS.Signals) => void process.kill(pid, signal),
      stop: () => Promise.resolve(),
    }));
    const label = `Quorate, ${nodes === 1 ? "1 node" : `${nodes} nodes`}`;
    return { label, address: http, user: userInfo().username, processes, stop: () => engine.stop() };
  } catch (error) {
    await engine.stop();
    throw error;
  }
}

export interface StaticServer {
  /** "http://host:port", with the folder's files below it. */
  readonly url: string;
  readonly processes: readonly Process[];
  stop(): Promise<void>;
}

/** Why there is none to stand beside; undefined: there is. */
export function lacksNginx(): string | undefined {
  return spawnSync("nginx", ["-v"]).error === undefined
    ? undefined
    : "nginx is not installed (package nginx-light)";
}

/** One process of nginx that sends the files of a folder. */
export async function startNginx(folder: string, files: string): Promise<StaticServer> {
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const settings = join(folder, "nginx.conf");
  writeFileSync(
    settings,
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events {}
http {
  access_log off; sendfile on; tcp_nopush on;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((each) => `${each}_temp_path ${folder};`).join(" ")}
  server { listen 127.0.0.1:${port}; root ${files}; }
}
`,
  );
  const server = run("nginx", "nginx", ["-c", settings, "-e", join(folder, "error.log")]);
  const url = `http://127.0.0.1:${port}`;
  await until("nginx", READY_MS, async () => (await fetch(url)).status > 0 || undefined);
  return { url, processes: [server], stop: () => server.stop() };
}
