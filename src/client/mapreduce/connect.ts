/** A URL to the jobs behind it. */
import { userInfo } from "node:os";
import { QuorateError } from "../../runtime/errors.ts";
import { JobNodes } from "./job-nodes.ts";
import { Jobs } from "./jobs.ts";

export interface ConnectJobsOptions {
  /** Who asks. Default: the user in the URL, else the one of this process. */
  readonly user?: string;
  /** Of the cluster. Default: none. */
  readonly password?: string;
}

const HTTP_PORT = "9870";

/**
 * `http://[user@]host[:9870][,host:port…]`: the HTTP ports of nodes of one cluster; `webhdfs://…`, as for files, is the same. One
 * is enough: others are learnt.
 *
 * Nothing is asked yet. Throws USAGE when it is no such URL.
 */
export function connectJobs(url: string, options: ConnectJobsOptions = {}): Jobs {
  const match = /^(?:http|webhdfs):\/\/(?:([^@/]+)@)?([^/@]+)\/?$/.exec(url);
  const hosts = match?.[2]?.split(",") ?? [];
  if (hosts.length === 0 || hosts.some((host) => !/^([\w.-]+|\[[\da-f:.]+\])(:\d{1,5})?$/i.test(host)))
    throw new QuorateError("USAGE", `jobs are at http://host:port, not at "${url}"`);
  const authorities = hosts.map((host) => (/:\d+$/.test(host) ? host : `${host}:${HTTP_PORT}`));
  const named = match?.[1] === undefined ? undefined : decodeURIComponent(match[1]);
  return new Jobs(new JobNodes(authorities, options.password), options.user ?? named ?? userInfo().username);
}
