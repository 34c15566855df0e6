/**
 * What a job takes along, on the cluster: stored below the user's `.staging` by its content, so that the same program is stored
 * once. What is there already is touched: the cluster removes what no job has needed for a day.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename, resolve } from "node:path";
import { isQuorateError } from "../../runtime/errors.ts";
import type { Files } from "../files/files.ts";

export class StagedFiles {
  private readonly files: Files;
  private readonly user: string;

  constructor(files: Files, user: string) {
    this.files = files;
    this.user = user;
  }

  /** Where the bundle is, which has this SHA-256. */
  async bundle(code: Uint8Array, sha256: string): Promise<string> {
    const path = this.pathOf(`${sha256}.mjs`);
    if (!(await this.isThere(path))) await this.files.writeFile(path, code);
    return path;
  }

  /** Where a copy of this machine's file is. */
  async file(source: string): Promise<string> {
    const local = resolve(source);
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(local)) hash.update(chunk as Buffer);
    const path = this.pathOf(`${hash.digest("hex")}-${basename(local)}`);
    if (!(await this.isThere(path))) await this.files.writeFile(path, createReadStream(local));
    return path;
  }

  private pathOf(name: string): string {
    return `/user/${this.user}/.staging/${name}`;
  }

  private async isThere(path: string): Promise<boolean> {
    try {
      const now = new Date();
      await this.files.utimes(path, now, now);
      return true;
    } catch (error) {
      if (isQuorateError(error) && error.code === "PATH_NOT_FOUND") return false;
      throw error;
    }
  }
}
