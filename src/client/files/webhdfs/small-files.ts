/** Small files in one step each, which only Quorate can (`wire/small-files.ts`). */
import { isQuorateError } from "../../../runtime/errors.ts";
import type { PutJson } from "../../../wire/small-files.ts";
import { smallFileTarget } from "../../../wire/small-files.ts";
import { FILES_ADMIN_PREFIX } from "../../../wire/files-admin.ts";
import type { CallOptions, WriteOptions } from "../driver.ts";
import { readJson } from "./connections.ts";
import type { Endpoint } from "./endpoint.ts";
import { callOf } from "./writing.ts";

const NONE = -1;

export class SmallFiles {
  private readonly endpoint: Endpoint;
  /** Asked for once. */
  private limit: Promise<number> | undefined;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
  }

  /** Bytes of a file that the server keeps in its namespace; -1: it is another one, and no bytes are sent where it may not want them. */
  maxBytes(options: CallOptions): Promise<number> {
    this.limit ??= this.askLimit(options).catch((error: unknown) => {
      this.limit = undefined;
      throw error;
    });
    return this.limit;
  }

  async put(path: string, bytes: Uint8Array, options: WriteOptions): Promise<boolean> {
    if (bytes.length > (await this.maxBytes(callOf(options)))) return false;
    const { overwrite = true, mode: permission, replication, blockSize, createParents = true } = options;
    const file = { path, overwrite, permission, replication, blocksize: blockSize };
    const target = smallFileTarget({ ...file, createparent: createParents }, this.endpoint.user);
    const idleMs = options.timeoutMs;
    const calling = { what: "put", method: "PUT", target, bytes, repeatable: false, idleMs, isUpload: true };
    try {
      const answer = await this.endpoint.call(calling, callOf(options), (response) => readJson(response));
      return (answer as PutJson | undefined)?.put === true;
    } catch (error) {
      // A node of an older version has settings, and no small files in one step.
      const isOlder = isQuorateError(error) && error.code === "UNSUPPORTED";
      if (!isOlder && !isAnotherServer(error)) throw error;
      this.limit = Promise.resolve(NONE);
      return false;
    }
  }

  private async askLimit(options: CallOptions): Promise<number> {
    const target = `${FILES_ADMIN_PREFIX}/settings?user.name=${encodeURIComponent(this.endpoint.user)}`;
    const calling = { what: "settings", method: "GET", target, repeatable: true };
    try {
      const answer = await this.endpoint.call(calling, callOf(options), (response) => readJson(response));
      const { inlineMaxBytes } = (answer ?? {}) as { readonly inlineMaxBytes?: unknown };
      return typeof inlineMaxBytes === "number" ? inlineMaxBytes : NONE;
    } catch (error) {
      if (isAnotherServer(error)) return NONE;
      throw error;
    }
  }
}

/** Nothing of Quorate's was in the answer. */
function isAnotherServer(error: unknown): boolean {
  return isQuorateError(error) && error.message.startsWith("the server answered ");
}
