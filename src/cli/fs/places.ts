/**
 * Where words of the command line lead. A word is a path of the file system of `--fs`, or the URL of a path of any: of this
 * machine's (`file:///x`), of another server behind WebHDFS. What a URL named is shown as a URL.
 */
import { resolve } from "node:path";
import { connectFiles, webHdfsPlace } from "../../client/files/connect.ts";
import type { Files } from "../../client/files/files.ts";
import { QuorateError } from "../../runtime/errors.ts";
import { EMPTY_PATH } from "./command.ts";

export interface Place {
  readonly files: Files;
  readonly path: string;
  /** What stands before paths of it where they are shown: "file://", or nothing. */
  readonly prefix: string;
}

export class Places {
  /** Of `--fs`. */
  readonly files: Files;
  /** Files of this machine, from its root. */
  readonly local: Files = connectFiles("file:///");
  private readonly user: string;
  /** By the hosts of a URL. */
  private readonly connected = new Map<string, Files>();
  private readonly homes = new Map<Files, string>();

  constructor(url: string, user: string) {
    this.files = connectFiles(url, { user });
    this.user = user;
    for (const host of webHdfsHosts(url)) this.connected.set(host, this.files);
  }

  close(): void {
    for (const files of new Set([this.files, ...this.connected.values()])) files.close();
  }

  /** Throws USAGE for what is no path, FILE_OPERATION_REFUSED for a file system of another kind. */
  async placeOf(word: string, signal: AbortSignal): Promise<Place> {
    const { scheme, authority, path } = partsOf(word);
    const files = this.filesOf(word, scheme, authority);
    const prefix = scheme === undefined ? "" : `${scheme}://${authority}`;
    if (path.startsWith("/")) return { files, path: tidy(path), prefix };
    return { files, path: tidy(`${await this.homeOf(files, signal)}/${path}`), prefix };
  }

  /** Of commands that read or write on this machine: a path of it, or its URL. */
  localPlace(word: string): Place {
    if (word === "") throw new QuorateError("USAGE", EMPTY_PATH);
    const path = /^file:(?:\/\/)?(\/.*)$/s.exec(word)?.[1];
    return { files: this.local, path: resolve(path ?? word), prefix: path === undefined ? "" : "file://" };
  }

  /** What paths that do not begin at the root begin at. */
  async homeOf(files: Files, signal: AbortSignal): Promise<string> {
    const known = this.homes.get(files) ?? (await files.home({ signal }));
    this.homes.set(files, known);
    return known;
  }

  private filesOf(word: string, scheme: string | undefined, authority: string): Files {
    if (scheme === undefined || (scheme === "webhdfs" && authority === "")) return this.files;
    if (scheme === "file") {
      if (authority === "") return this.local;
      throw new QuorateError("USAGE", `Wrong FS: ${word}, expected: file:///`);
    }
    if (scheme !== "webhdfs")
      throw new QuorateError("FILE_OPERATION_REFUSED", `No FileSystem for scheme "${scheme}"`);
    const url = `webhdfs://${authority}`;
    const hosts = webHdfsHosts(url);
    const files =
      hosts.map((host) => this.connected.get(host)).find((each) => each !== undefined) ??
      connectFiles(url, authority.includes("@") ? {} : { user: this.user });
    for (const host of hosts) this.connected.set(host, files);
    return files;
  }
}

/** With the user where one is named: it is another's view of the same files. */
function webHdfsHosts(url: string): readonly string[] {
  const { authorities, user } = webHdfsPlace(url);
  return authorities.map((each) => `${user ?? ""}@${each.replace(/^localhost:/, "127.0.0.1:")}`);
}

/** As Hadoop cuts a path up: a colon before the first slash ends a scheme. Throws USAGE. */
function partsOf(word: string): {
  readonly scheme: string | undefined;
  readonly authority: string;
  readonly path: string;
} {
  if (word === "") throw new QuorateError("USAGE", EMPTY_PATH);
  const [, scheme, rest = ""] = /^([^/:]+):(.*)$/s.exec(word) ?? [];
  if (scheme === undefined) return { scheme, authority: "", path: word };
  const [, authority = "", path = ""] = /^(?:\/\/([^/]*))?(.*)$/s.exec(rest) ?? [];
  const isUrl = path.startsWith("/") || (path === "" && authority !== "");
  if (!isUrl) throw new QuorateError("USAGE", `Relative path in absolute URI: ${word}`);
  return { scheme, authority, path };
}

/**
 * Hadoop takes double slashes and slashes at the end, and "." and "..", for what they mean to people; what leads out of the root
 * stays, and is refused.
 */
export function tidy(path: string): string {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === ".." && (names.at(-1) ?? "..") !== "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return `/${names.join("/")}`;
}
