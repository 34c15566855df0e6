/** A URL to the files behind it. */
import { userInfo } from "node:os";
import { QuorateError } from "../../runtime/errors.ts";
import { Files } from "./files.ts";
import { localDriver } from "./local-driver.ts";
import { webHdfsDriver } from "./webhdfs/webhdfs-driver.ts";

export interface ConnectFilesOptions {
  /** Who asks, over WebHDFS. Default: the user in the URL, else the one of this process. */
  readonly user?: string;
}

const WEBHDFS_PORT = "9870";

/**
 * - `webhdfs://[user@]host[:9870][,host:port…]`: any WebHDFS server; several nodes of one file system stand in for each other.
 *   Of a cluster of Quorate the others are learnt from the first that answers, a second later, or at once when it cannot do what it
 *   is asked for.
 * - `file:///directory`: a directory of this machine.
 *
 * Nothing is asked yet. Throws USAGE when the URL is neither.
 */
export function connectFiles(url: string, options: ConnectFilesOptions = {}): Files {
  if (url.startsWith("file:///")) return new Files(localDriver(url));
  const { authorities, user } = webHdfsPlace(url);
  return new Files(webHdfsDriver(authorities, options.user ?? user ?? userInfo().username));
}

/** Where a WebHDFS URL leads, and the user in it. Throws USAGE when it is none. */
export function webHdfsPlace(url: string): {
  readonly authorities: readonly string[];
  readonly user: string | undefined;
} {
  const match = /^webhdfs:\/\/(?:([^@/]+)@)?([^/@]+)\/?$/.exec(url);
  const hosts = match?.[2]?.split(",") ?? [];
  if (hosts.length === 0 || hosts.some((host) => !/^([\w.-]+|\[[\da-f:.]+\])(:\d{1,5})?$/i.test(host)))
    throw new QuorateError("USAGE", `files are at webhdfs://host:port or file:///directory, not at "${url}"`);
  const authorities = hosts.map((host) => (/:\d+$/.test(host) ? host : `${host}:${WEBHDFS_PORT}`));
  return { authorities, user: match?.[1] === undefined ? undefined : decodeURIComponent(match[1]) };
}
