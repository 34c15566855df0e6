/** Small files in one step each, which only Quorate can (`wire/small-files.ts`). */
import { randomUUID } from "node:crypto";
import { isQuorateError, QuorateError } from "../../../runtime/errors.ts";
import type { PutJson } from "../../../wire/small-files.ts";
import { REQUEST_HEADER, smallFileTarget } from "../../../wire/small-files.ts";
import { FILES_ADMIN_PREFIX } from "../../../wire/files-admin.ts";
import type { CallOptions, WriteOptions } from "../driver.ts";
import { readJson } from "./connections.ts";
import type { Calling, Endpoint } from "./endpoint.ts";
import { callOf } from "./writing.ts";

const NONE = -1;
const ATTEMPTS = 3;

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
    const headers = { [REQUEST_HEADER]: randomUUID() };
    const body = { bytes, headers, idleMs: options.timeoutMs, isUpload: true };
    const calling = { what: "put", method: "PUT", target, repeatable: false, ...body };
    // With `overwrite` a second time could take away what another has written meanwhile.
    const attempts = overwrite ? 1 : ATTEMPTS;
    try {
      return await this.insist(path, calling, callOf(options), attempts);
    } catch (error) {
      // A node of an older version has settings, and no small files in one step.
      const isOlder = isQuorateError(error) && error.code === "UNSUPPORTED";
      if (!isOlder && !isAnotherServer(error)) throw error;
      this.limit = Promise.resolve(NONE);
      return false;
    }
  }

  /** An answer that was lost is asked for again, at another node where there is one: by its name the request is known there. */
  private async insist(
    path: string,
    calling: Calling,
    options: CallOptions,
    attempts: number,
  ): Promise<boolean> {
    let lost: unknown;
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await this.endpoint.call(calling, options, (response) => readJson(response));
        const isPut = (answer as PutJson | undefined)?.put === true;
        if (isPut || lost === undefined) return isPut;
      } catch (error) {
        if (isUnknown(error) && attempt < attempts) lost ??= error;
        else if (lost === undefined || options.signal?.aborted === true) throw error;
        else throw notKnown(path, error, lost);
        continue;
      }
      // That nothing was done now says nothing of the first time.
      throw notKnown(path, undefined, lost);
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

/** It was done, or will be, or neither. */
function isUnknown(error: unknown): boolean {
  return isQuorateError(error) && (error.code === "OUTCOME_UNKNOWN" || error.code === "REPLY_LOST");
}

/** A node of an older version knows no names of requests, and one that was just started not those of before. */
function notKnown(path: string, error: unknown, cause: unknown): QuorateError {
  const isThere = error === undefined || (isQuorateError(error) && error.code === "PATH_EXISTS");
  const found = isThere ? "something is there, this file or another's" : (error as Error).message;
  const text = `${path}: the answer was lost, and ${found}: look before you try again`;
  return new QuorateError("OUTCOME_UNKNOWN", text, { cause });
}

/** Nothing of Quorate's was in the answer. */
function isAnotherServer(error: unknown): boolean {
  return isQuorateError(error) && error.message.startsWith("the server answered ");
}
