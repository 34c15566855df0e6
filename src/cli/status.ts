/** `quorate status`: asks any node over RESP how the whole cluster is, and shows it as a table or as JSON. */
import { createClient } from "redis";
import { QuorateError } from "../runtime/errors.ts";
import type {
  FilesEntry,
  GroupEntry,
  NodeEntry,
  StatusDocument,
} from "../engine/protocol/admin/status-document.ts";
import type { Paint } from "./style.ts";
import { formatBytes, formatCount, formatTable, paintFor } from "./style.ts";
import type { Call } from "./verb.ts";

export const DEFAULT_URL = "redis://127.0.0.1:6379";
const TIMEOUT_MS = 3000;

export async function status(call: Call): Promise<number> {
  const document = await fetchStatus(call.text("url") ?? DEFAULT_URL, call.text("password"));
  const text = call.has("json") ? JSON.stringify(document, undefined, 2) : statusTable(document);
  process.stdout.write(`${text}\n`);
  return 0;
}

/** Throws USAGE for a URL that is none, NO_QUORUM when nobody answers there, UNSUPPORTED when it is another engine. */
export async function fetchStatus(url: string, password?: string): Promise<StatusDocument> {
  const client = connectTo(url, password);
  const deadline = setTimeout(() => client.destroy(), TIMEOUT_MS);
  try {
    await client.connect();
    const reply = await client.sendCommand<string>(["QUORATE", "STATUS"]);
    return JSON.parse(reply) as StatusDocument;
  } catch (error) {
    throw explain(url, error);
  } finally {
    clearTimeout(deadline);
    if (client.isOpen) client.destroy();
  }
}

function connectTo(url: string, password: string | undefined): ReturnType<typeof createClient> {
  if (!/^rediss?:\/\/[^\s]+$/.test(url) || !URL.canParse(url)) {
    throw new QuorateError("USAGE", `--url must be redis://host:port, not "${url}"`);
  }
  const client = createClient({
    url,
    ...(password === undefined ? {} : { password }),
    socket: { connectTimeout: TIMEOUT_MS, reconnectStrategy: false },
  });
  // What goes wrong also rejects the call that waits; without a listener it would end the process.
  client.on("error", () => undefined);
  return client as ReturnType<typeof createClient>;
}

function explain(url: string, error: unknown): QuorateError {
  const reason = error instanceof Error ? error.message || error.name : String(error);
  if (/^NOAUTH|^WRONGPASS/.test(reason)) {
    const which = reason.startsWith("NOAUTH") ? "a password" : "another password";
    return new QuorateError("USAGE", `${url} wants ${which}: give it with --password`, { cause: error });
  }
  if (reason.startsWith("ERR unknown command")) {
    return new QuorateError("UNSUPPORTED", `${url} answers, but it is no node of Quorate`, { cause: error });
  }
  return new QuorateError("NO_QUORUM", `no node answers at ${url}: ${reason}`, { cause: error });
}

const HEADINGS = ["node", "role", "term", "commit", "applied", "lag", "disk", "pid", "resp"];
const NUMBERS = [2, 3, 4, 5, 6, 7];

/** What of the acknowledged may be lost. */
const RISKS: Readonly<Record<GroupEntry["durability"], string | undefined>> = {
  always: undefined,
  everysec: "a power failure of a majority of the machines may lose the writes of its last second",
  memory: "all is lost when a majority of the nodes ends, by whatever cause",
};

/** One line a node; a dash is what is not known. */
export function statusTable(document: StatusDocument): string {
  const paint = paintFor(process.stdout);
  const [group] = document.groups;
  const rows = document.nodes.map((node) => nodeRow(node, group?.term));
  const table = formatTable([HEADINGS, ...rows], NUMBERS).split("\n");
  const lines = [paint("bold", table[0] ?? ""), ...table.slice(1)];
  for (const { id, refusing, diverged } of document.nodes) {
    if (diverged !== null) lines.push(paint("red", `${id} says: ${diverged}`));
    if (refusing !== null && refusing !== group?.refusing)
      lines.push(paint("red", `${id} refuses writes: ${refusing}`));
  }
  if (group?.refusing) lines.push(paint("red", `writes are refused: ${group.refusing}`));
  if (document.files !== null) lines.push(...filesLines(document.files, paint));
  const { durability = "always" } = group ?? {};
  const risk = RISKS[durability];
  if (risk !== undefined) lines.push(paint("yellow", `durability ${durability}: ${risk}`));
  return lines.join("\n");
}

function filesLines(files: FilesEntry, paint: Paint): readonly string[] {
  const { files: count, blocks, length, usedBytes, freeBytes, liveNodes, nodes, safeMode } = files;
  const space = `${formatBytes(usedBytes)} used, ${formatBytes(freeBytes)} free`;
  const what = `${formatCount(count)} files of ${formatBytes(length)} in ${formatCount(blocks)} blocks`;
  const line = `files: ${what}; ${space} on ${liveNodes} of ${nodes} nodes`;
  return [
    liveNodes < nodes ? paint("yellow", line) : line,
    ...(safeMode === null ? [] : [paint("yellow", `safe mode: no changes of files. ${safeMode}`)]),
  ];
}

function nodeRow(node: NodeEntry, term: number | undefined): readonly string[] {
  const number = (value: number | null | undefined): string => (value == null ? "-" : formatCount(value));
  return [
    node.id,
    node.recovering ? `${node.role}, recovering` : node.newcomer ? `${node.role}, newcomer` : node.role,
    node.role === "unreachable" ? "-" : number(term),
    number(node.commitIndex),
    number(node.appliedIndex),
    number(node.lag),
    node.diskBytes === null ? "-" : formatBytes(node.diskBytes),
    node.pid === null ? "-" : String(node.pid),
    node.resp ?? "-",
  ];
}
