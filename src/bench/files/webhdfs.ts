/** The load: files moved by curl, which costs little itself, and requests of many clients over connections that stay. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { LatencySummary } from "../latency.ts";
import { summarise } from "../latency.ts";
import { Connection } from "./connection.ts";
import type { FileServer } from "./servers.ts";

/** Asks where a transfer goes, as the protocol has it; curl does the rest. */
async function locate(server: FileServer, method: string, path: string, query: string): Promise<string> {
  const answer = await fetch(target(server, path, query), { method, redirect: "manual" });
  const location = answer.headers.get("location");
  if (answer.status !== 307 || location === null)
    throw new Error(
      `${server.label} answered ${answer.status} to ${query}: ${(await answer.text()).slice(0, 300)}`,
    );
  return location;
}

export function target({ address, user }: FileServer, path: string, query: string): string {
  return `http://${address}/webhdfs/v1${path}?${query}&user.name=${user}`;
}

export async function upload(
  server: FileServer,
  file: string,
  path: string,
  options: { readonly replication: number },
): Promise<void> {
  const query = `op=CREATE&overwrite=true&replication=${options.replication}&blocksize=${128 * 1024 * 1024}`;
  const location = await locate(server, "PUT", path, query);
  await curl("--upload-file", file, "--header", "Expect:", location);
}

export async function download(server: FileServer, path: string): Promise<void> {
  await curl(await locate(server, "GET", path, "op=OPEN"));
}

export async function remove(server: FileServer, path: string): Promise<void> {
  await fetch(target(server, path, "op=DELETE&recursive=true"), { method: "DELETE" });
}

export async function makeDirectory(server: FileServer, path: string): Promise<void> {
  await fetch(target(server, path, "op=MKDIRS"), { method: "PUT" });
}

/** Throws what is received away. */
export function curl(...words: readonly string[]): Promise<void> {
  return finish("curl", ["--silent", "--show-error", "--fail", "--output", "/dev/null", ...words]);
}

/** A transfer that is not over by then is broken. */
const DEADLINE_MS = 20 * 60_000;

export async function finish(
  command: string,
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
  const env = { ...process.env, ...environment };
  const child = spawn(command, words, { stdio: ["ignore", "ignore", "pipe"], env, timeout: DEADLINE_MS });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said = `${said}${text}`.slice(-2000)));
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  if (code !== 0) throw new Error(`${command} ended with ${code ?? signal}: ${said}`);
}

/** What one client does again and again. `number` is another one each time. */
export type Operation = "create" | "mkdir" | "stat";

export interface MetadataLoad {
  readonly operation: Operation;
  readonly clients: number;
  readonly requests: number;
  /** A directory of its own, in which `stat` finds the files 0 to 99. */
  readonly folder: string;
}

export const STAT_FILES = 100;

/** So many clients, each with one request at a time. A file is created in the protocol's two steps. */
export async function loadMetadata(
  server: FileServer,
  { operation, clients, requests, folder }: MetadataLoad,
): Promise<LatencySummary> {
  const latencies: number[] = [];
  let next = 0;
  const client = async (): Promise<void> => {
    const connections = new Connections();
    for (let number = next++; number < requests; number = next++) {
      const startedMs = performance.now();
      await operate(connections, server, operation, `${folder}/${number}`, folder, number);
      latencies.push(performance.now() - startedMs);
    }
    connections.close();
  };
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: clients }, client));
  const elapsedMs = performance.now() - startedMs;
  return summarise(latencies, elapsedMs);
}

async function operate(
  connections: Connections,
  server: FileServer,
  operation: Operation,
  path: string,
  folder: string,
  number: number,
): Promise<void> {
  const url = (of: string, query: string): string => target(server, of, query);
  switch (operation) {
    case "stat":
      await connections.ask("GET", url(`${folder}/${number % STAT_FILES}`, "op=GETFILESTATUS"), 200);
      return;
    case "mkdir":
      await connections.ask("PUT", url(path, "op=MKDIRS"), 200);
      return;
    case "create": {
      const location = await connections.ask("PUT", url(path, "op=CREATE"), 307);
      await connections.ask("PUT", location, 201);
    }
  }
}

/** Those of one client: one to each server that it was sent to. */
class Connections {
  private readonly byAuthority = new Map<string, Connection>();

  /** The Location of the answer, "" when there is none. */
  async ask(method: string, url: string, expected: number): Promise<string> {
    const pathAt = url.indexOf("/", "http://".length);
    const authority = url.slice("http://".length, pathAt);
    let connection = this.byAuthority.get(authority);
    if (connection === undefined) this.byAuthority.set(authority, (connection = new Connection(authority)));
    const { status, location = "" } = await connection.ask(method, url.slice(pathAt));
    if (status !== expected) throw new Error(`${method} ${url} was answered with ${status}`);
    return location;
  }

  close(): void {
    for (const connection of this.byAuthority.values()) connection.close();
  }
}
