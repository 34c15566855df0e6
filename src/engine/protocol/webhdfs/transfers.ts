/** The operations that move bytes: a redirect to the node that does it, and there the stream, at the pace of the slower side. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isQuorateError, QuorateError } from "../../../runtime/errors.ts";
import type { Operation } from "../../../wire/webhdfs/operations.ts";
import type { BlockNode } from "../../files/blocks/locations.ts";
import type { CreateOptions, FileReader, FileSystem, FileWriter } from "../../files/file-system.ts";
import { isLoopback } from "../loopback.ts";
import { byteRange } from "./byte-range.ts";
import type { Exchange } from "./exchange.ts";
import { sendEmpty, sendJson } from "./exchange.ts";
import { LentSender } from "./pace.ts";
import { Upload } from "./upload.ts";
import type { LocatedOperation, LocationSigner } from "./locations.ts";
import { excludedNodes, hostOf, ownAuthority, readTarget, writeTarget } from "./locations.ts";

const DEFAULT_FILE_MODE = 0o644;

export class Transfers {
  private readonly files: FileSystem;
  private readonly signer: LocationSigner;
  private readonly idleMs: number;
  private readonly onlyLocal: boolean;

  /** `onlyLocal`: clients are those of this machine, and let in nowhere else. */
  constructor(files: FileSystem, signer: LocationSigner, idleMs: number, onlyLocal: boolean) {
    this.files = files;
    this.signer = signer;
    this.idleMs = idleMs;
    this.onlyLocal = onlyLocal;
  }

  async take(exchange: Exchange, operation: LocatedOperation): Promise<void> {
    const isHere =
      this.signer.isSigned(exchange.parsed, exchange.caller.user) || ("data" in operation && operation.data);
    switch (operation.op) {
      case "OPEN":
        return isHere ? this.open(exchange, operation) : this.sendToReader(exchange, operation);
      case "GETFILECHECKSUM":
        return isHere ? this.checksum(exchange) : this.sendToReader(exchange, operation);
      case "CREATE":
        return isHere ? this.create(exchange, operation) : this.sendToCreator(exchange, operation);
      case "APPEND":
        return isHere ? this.append(exchange) : this.sendToAppender(exchange, operation);
    }
  }

  private async sendToReader(
    exchange: Exchange,
    operation: Operation<"OPEN" | "GETFILECHECKSUM">,
  ): Promise<void> {
    const { parsed, caller, signal } = exchange;
    const offset = operation.op === "OPEN" ? operation.offset : 0;
    const excluded = operation.excludedatanodes;
    const target = await readTarget(this.files, parsed.path, caller, { offset, excluded }, signal);
    this.redirect(exchange, operation, target);
  }

  /** Says early what the second step would say: many clients read errors of that one only when they have sent everything. */
  private async sendToCreator(exchange: Exchange, operation: Operation<"CREATE">): Promise<void> {
    const { path, caller, request } = exchange;
    try {
      await this.files.checkCreate(path, caller, creationOf(this.files, operation));
    } catch (error) {
      if (!isQuorateError(error) || error.message !== `${path} already exists`) throw error;
      const client = request.socket.remoteAddress ?? "";
      throw new QuorateError(error.code, `${path} for client ${client} already exists`, { cause: error });
    }
    const target = writeTarget(this.files, request.socket.remoteAddress, operation.excludedatanodes);
    this.redirect(exchange, operation, target);
  }

  private async sendToAppender(exchange: Exchange, operation: Operation<"APPEND">): Promise<void> {
    const { parsed, caller, signal, request } = exchange;
    const status = await this.files.status(parsed.path, caller, { signal });
    if (status.type !== "file") {
      const text = `Cannot append to directory ${parsed.path}; already exists as a directory.`;
      throw new QuorateError("PATH_EXISTS", text);
    }
    await this.files.checkAccess(parsed.path, caller, 2, { signal });
    const target = writeTarget(this.files, request.socket.remoteAddress, operation.excludedatanodes);
    this.redirect(exchange, operation, target);
  }

  private redirect(
    { request, response, parsed, caller }: Exchange,
    operation: LocatedOperation,
    to: BlockNode | undefined,
  ): void {
    const isHere = to === undefined || to.id === this.files.node || !this.mayGoTo(to, request);
    const authority = isHere ? ownAuthority(request) : to.http;
    const location = this.signer.sign(
      authority ?? ownAuthority(request),
      parsed.path,
      operation,
      caller.user,
    );
    if (operation.noredirect) return sendJson(response, { Location: location });
    sendEmpty(response, 307, { Location: location });
  }

  /**
   * Another machine would refuse a client of this one, and a client of another machine would look for loopback at home: this node
   * does the work for it.
   */
  private mayGoTo({ http = "" }: BlockNode, { socket }: IncomingMessage): boolean {
    if (!this.onlyLocal) return !isLoopback(hostOf(http)) || isLoopback(socket.remoteAddress);
    const own = this.files.nodes().find(({ id }) => id === this.files.node)?.http;
    return own !== undefined && hostOf(own) === hostOf(http);
  }

  private async checksum({ response, parsed, caller, signal }: Exchange): Promise<void> {
    const { algorithm, bytes } = await this.files.checksum(parsed.path, caller, { signal });
    const FileChecksum = { algorithm, bytes: bytes.toString("hex"), length: bytes.length };
    sendJson(response, { FileChecksum });
  }

  private async open(exchange: Exchange, operation: Operation<"OPEN">): Promise<void> {
    const { request, response, parsed, caller, signal } = exchange;
    const { offset, length, excludedatanodes } = operation;
    const exclude = excludedNodes(this.files, excludedatanodes);
    const { range } = request.headers;
    const { length: size } =
      range === undefined ? { length: 0 } : await this.files.status(parsed.path, caller, { signal });
    // A range is one of what the URL names: of the bytes that offset and length select (RFC 9110 section 14.2).
    const whole = Math.min(length ?? Infinity, Math.max(0, size - offset));
    const part = range === undefined || offset > size ? undefined : byteRange(range, whole);
    if (part === "unsatisfiable") {
      return sendEmpty(response, 416, { "Content-Range": `bytes */${whole}` });
    }
    const wanted = part === undefined ? { offset, length } : { ...part, offset: offset + part.offset };
    const reader = await this.files.read(parsed.path, caller, {
      offset: wanted.offset,
      ...(wanted.length === undefined ? {} : { length: wanted.length }),
      exclude,
      mayLend: true,
      signal,
    });
    const first = wanted.offset - offset;
    await this.send(reader, response, signal, () => {
      response.writeHead(part === undefined ? 200 : 206, {
        "Content-Type": "application/octet-stream",
        "Content-Length": reader.length,
        "Accept-Ranges": "bytes",
        // Who reads on after a failure sees by it that the file is another one by now.
        ETag: `"${reader.status.id}-${reader.status.modifiedMs}"`,
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
        ...(part === undefined
          ? {}
          : { "Content-Range": `bytes ${first}-${first + reader.length - 1}/${whole}` }),
      });
    });
  }

  /** `begin` sends the head, when the first bytes are there: what cannot be read at all can still be said in its place. */
  private async send(
    reader: FileReader,
    response: ServerResponse,
    signal: AbortSignal,
    begin: () => void,
  ): Promise<void> {
    const sender = new LentSender(response, this.idleMs);
    for await (const bytes of reader) {
      if (signal.aborted) return;
      if (!response.headersSent) begin();
      // They must have left before the next ones are asked for.
      await sender.send(bytes);
      if (response.destroyed) return;
    }
    if (!response.headersSent) begin();
    response.end();
  }

  private async create(exchange: Exchange, operation: Operation<"CREATE">): Promise<void> {
    const { request, parsed, caller } = exchange;
    const upload = new Upload(exchange, this.idleMs);
    const writer = await this.files.create(parsed.path, caller, creationOf(this.files, operation));
    await receive(upload, writer);
    const place = parsed.path.split("/").map(encodeURIComponent).join("/");
    sendEmpty(exchange.response, 201, { Location: `webhdfs://${ownAuthority(request)}${place}` });
  }

  private async append(exchange: Exchange): Promise<void> {
    const upload = new Upload(exchange, this.idleMs);
    const writer = await this.files.append(exchange.parsed.path, exchange.caller);
    await receive(upload, writer);
    sendEmpty(exchange.response);
  }
}

/** Takes the whole body, or leaves nothing: a body that breaks off or stands still ends the writer. */
async function receive(upload: Upload, writer: FileWriter): Promise<void> {
  try {
    for await (const bytes of upload.pieces()) await writer.write(bytes);
    await writer.close();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

function creationOf(files: FileSystem, operation: Operation<"CREATE">): CreateOptions {
  const {
    permission = DEFAULT_FILE_MODE,
    replication,
    blocksize,
    createparent,
    excludedatanodes,
  } = operation;
  return {
    mode: permission & 0o777,
    createParents: createparent,
    overwrite: overwrites(operation),
    exclude: excludedNodes(files, excludedatanodes),
    ...(replication === undefined ? {} : { replication }),
    ...(blocksize === undefined ? {} : { blockSize: blocksize }),
  };
}

function overwrites({ overwrite, createflag }: Operation<"CREATE">): boolean {
  return overwrite || (createflag ?? "").toUpperCase().split(",").includes("OVERWRITE");
}
