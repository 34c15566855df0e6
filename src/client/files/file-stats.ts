/** What `stat` says, with the names that Node.js gives to the same things. */
import type { FileDescription } from "./driver.ts";

export class FileStats {
  /** The last part of the path; "" of the root. */
  readonly name: string;
  readonly path: string;
  readonly type: FileDescription["type"];
  /** Bytes; 0 of a directory. */
  readonly size: number;
  /** Nine permission bits and the sticky bit: without the type, unlike Node.js's. */
  readonly mode: number;
  readonly mtimeMs: number;
  readonly atimeMs: number;
  readonly owner: string;
  readonly group: string;
  /** 0 of what is no file. */
  readonly replication: number;
  /** 0 of what is no file. */
  readonly blockSize: number;
  /** Of a link. */
  readonly target: string | undefined;
  readonly hasAcl: boolean;
  /** The erasure coding policy: of a file, of what is made in a directory. Undefined: replicated. */
  readonly erasureCoding: string | undefined;
  /** Names in a directory; undefined: the file system does not say. */
  readonly childCount: number | undefined;

  constructor(description: FileDescription) {
    this.name = description.path.slice(description.path.lastIndexOf("/") + 1);
    this.path = description.path;
    this.type = description.type;
    this.size = description.length;
    this.mode = description.mode;
    this.mtimeMs = description.modifiedMs;
    this.atimeMs = description.accessedMs;
    this.owner = description.owner;
    this.group = description.group;
    this.replication = description.replication;
    this.blockSize = description.blockSize;
    this.target = description.target;
    this.hasAcl = description.hasAcl;
    this.erasureCoding = description.erasureCoding;
    this.childCount = description.childCount;
  }

  /** The directory that it is in, as Node.js's Dirent has it. */
  get parentPath(): string {
    return this.path.slice(0, Math.max(1, this.path.length - this.name.length - 1));
  }

  get mtime(): Date {
    return new Date(this.mtimeMs);
  }

  get atime(): Date {
    return new Date(this.atimeMs);
  }

  isFile(): boolean {
    return this.type === "file";
  }

  isDirectory(): boolean {
    return this.type === "directory";
  }

  isSymbolicLink(): boolean {
    return this.type === "link";
  }
}
