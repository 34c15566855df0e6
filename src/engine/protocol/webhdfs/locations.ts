/**
 * Where a client is sent: the node that has the block or takes the write, under a URL that is signed for the user, the path
 * and the operation. It holds for a day and may be used again: fsspec posts every part of a file to one URL of APPEND, and
 * Java reads on from other offsets at one URL of OPEN. The signature says that some node of this cluster was asked first; the
 * rights are looked at again where the URL is used.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { QuorateError } from "../../../runtime/errors.ts";
import type { Operation } from "../../../wire/webhdfs/operations.ts";
import type { WebHdfsRequest } from "../../../wire/webhdfs/request.ts";
import { renderRequest } from "../../../wire/webhdfs/request.ts";
import type { BlockNode } from "../../files/blocks/locations.ts";
import { isReachable } from "../../files/blocks/locations.ts";
import type { FileSystem } from "../../files/file-system.ts";
import type { Caller } from "../../files/namespace/model.ts";

const LIFETIME_MS = 24 * 3_600_000;
/** Nodes' clocks may differ by as much. */
const CLOCK_SKEW_MS = 300_000;

/** The operations of which the second step is at a location. */
export type LocatedOperation = Operation<"OPEN" | "CREATE" | "APPEND" | "GETFILECHECKSUM">;

export class LocationSigner {
  private readonly key: () => Uint8Array | undefined;
  private readonly now: () => number;

  /** `key` is the same on every node of a cluster; `now` gives Unix milliseconds. */
  constructor(key: () => Uint8Array | undefined, now: () => number) {
    this.key = key;
    this.now = now;
  }

  /** The URL at the node `authority` ("host:port"). */
  sign(authority: string, path: string, operation: LocatedOperation, user: string): string {
    const expires = (this.now() + LIFETIME_MS).toString(36);
    const others = { ...operation, excludedatanodes: [] };
    const bare = others.op === "GETFILECHECKSUM" ? others : { ...others, data: false };
    const { target } = renderRequest(path, { ...bare, noredirect: false }, [
      ["user.name", user],
      ["expires", expires],
      ["signature", this.signature(operation.op, path, user, expires)],
    ]);
    return `http://${authority}${target}`;
  }

  /** False: the request is the first step. Throws ACCESS_DENIED when what it came with is no signature of this cluster. */
  isSigned({ path, operation, query }: WebHdfsRequest, user: string): boolean {
    const given = query.get("signature")?.at(-1);
    if (given === undefined) return false;
    const expires = query.get("expires")?.at(-1) ?? "";
    const wanted = Buffer.from(this.signature(operation.op, path, user, expires));
    const found = Buffer.from(given);
    const isGenuine = found.length === wanted.length && timingSafeEqual(found, wanted);
    const leftMs = Number.parseInt(expires, 36) - this.now();
    if (!isGenuine || !(leftMs > -CLOCK_SKEW_MS)) {
      throw new QuorateError(
        "ACCESS_DENIED",
        "the location is not signed by this cluster, or it has expired: ask again",
      );
    }
    return true;
  }

  private signature(op: string, path: string, user: string, expires: string): string {
    const key = this.key();
    if (key === undefined) throw new QuorateError("NO_QUORUM", "the file system is not founded yet");
    return createHmac("sha256", key)
      .update(JSON.stringify([op, path, user, expires]))
      .digest("base64url");
  }
}

/** "host:port" under which the client itself reached this node: right also behind a NAT or a name that only it knows. */
export function ownAuthority(request: IncomingMessage): string {
  const { host } = request.headers;
  if (host !== undefined && /^[\w.-]+(:\d+)?$|^\[[\da-f:.]+\](:\d+)?$/i.test(host)) return host;
  const { localAddress = "127.0.0.1", localPort = 80 } = request.socket;
  return localAddress.includes(":") ? `[${localAddress}]:${localPort}` : `${localAddress}:${localPort}`;
}

/**
 * Where the bytes are read: the nearest node with a replica of the block at the offset. Undefined: here. Raises what would
 * keep the read from beginning, an offset behind the end included.
 */
export async function readTarget(
  files: FileSystem,
  path: string,
  caller: Caller,
  { offset, excluded }: { readonly offset: number; readonly excluded: readonly string[] },
  signal: AbortSignal,
): Promise<BlockNode | undefined> {
  const { status, blocks } = await files.locations(path, caller, offset, 1, { signal });
  if (offset > status.length) {
    const range = `Offset=${offset} out of the range [0, ${status.length})`;
    throw new QuorateError("FILE_OPERATION_REFUSED", `${range}; OPEN, path=${path}`);
  }
  const nodes = reachable(files.nodes(), excluded);
  const holders = blocks[0]?.segment.type === "block" ? blocks[0].replicas : [];
  for (const { node, state } of holders) {
    const found = state === "corrupt" ? undefined : nodes.find(({ id }) => id === node);
    if (found !== undefined) return found;
  }
  // Whoever holds it cannot be reached by HTTP, or failed the client: any other node reads it for him.
  return here(files, excluded) ?? nodes[0];
}

/** Who takes a write: a node on the client's own machine, else this node, else the least busy one. Undefined: here. */
export function writeTarget(
  files: FileSystem,
  clientAddress: string | undefined,
  excluded: readonly string[],
): BlockNode | undefined {
  const nodes = reachable(files.nodes(), excluded).filter(({ standing }) => standing === "inService");
  const clientHost = clientAddress?.replace(/^::ffff:/, "");
  const own = nodes.find(({ id }) => id === files.node);
  const leastBusyFirst = nodes.toSorted((left, right) => busyness(left) - busyness(right));
  // Several nodes may be on the client's machine: this one is as near as the others, and spares a connection.
  const beside = [...(own === undefined ? [] : [own]), ...leastBusyFirst].find(
    ({ http = "" }) => hostOf(http) === clientHost,
  );
  return beside ?? own ?? leastBusyFirst[0];
}

/** Of "host:port". */
export function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":")).replaceAll(/[[\]]/g, "");
}

function busyness({ writers, readers }: BlockNode): number {
  return writers + readers;
}

function here(files: FileSystem, excluded: readonly string[]): BlockNode | undefined {
  return reachable(files.nodes(), excluded).find(({ id }) => id === files.node);
}

/** Nodes to which a client can be sent: they are there as far as is known, serve it, and have a name that it could use, as those that listen on every address have none. */
function reachable(nodes: readonly BlockNode[], excluded: readonly string[]): readonly BlockNode[] {
  return nodes.filter((node) => {
    const { refusing, http } = node;
    return (
      isReachable(node) &&
      refusing !== true &&
      http !== undefined &&
      !excluded.includes(http) &&
      !/^(0\.0\.0\.0|\[?::\]?):\d+$/.test(http)
    );
  });
}

/** The numbers of nodes by the addresses under which clients know them. */
export function excludedNodes(files: FileSystem, excluded: readonly string[]): readonly string[] {
  if (excluded.length === 0) return [];
  return files.nodes().flatMap(({ id, http }) => (http !== undefined && excluded.includes(http) ? [id] : []));
}
