/** What an engine inside a process can be told, and what is wrong with what it was told. */
import { ALGORITHMS } from "../consensus/algorithms.ts";
import type { Algorithm } from "../consensus/algorithms.ts";
import { QuorateError } from "../runtime/errors.ts";
import type { Logger } from "../runtime/world.ts";
import type { NodeStatus } from "./cluster/local-node.ts";
import type { FilesOptions } from "./node-files.ts";
import type { JobsOptions } from "./node-jobs.ts";

export interface StartOptions {
  /** "memory" keeps nothing; a path keeps everything there, a folder for each node. Default "memory". */
  readonly data?: string;
  /** 1, or 3 that replicate to each other. Default 1. */
  readonly nodes?: 1 | 3;
  /** When a write is acknowledged. Default "always" with a path, "memory" without. */
  readonly durability?: NodeStatus["durability"];
  /** What keeps the log, for the life of the data. Default "raft". */
  readonly consensus?: Algorithm;
  /** Where the first node listens for RESP; further nodes count up. Default: free ports. */
  readonly port?: number;
  /** Where the first node listens for HTTP: WebHDFS, status, metrics. Further nodes count up. Default: free ports. */
  readonly httpPort?: number;
  /** How blocks of files are kept. Default: in memory with "memory", else in a directory of each node. */
  readonly files?: Omit<FilesOptions, "network">;
  /** Runs MapReduce jobs, each attempt in a process of its own; `{}` for the defaults. Default: it does not. */
  readonly jobs?: Omit<JobsOptions, "network">;
  /** Asked of clients. Default: none. */
  readonly password?: string;
  /** Milliseconds after which a command that no majority confirms fails. Default 5,000. */
  readonly requestTimeoutMs?: number;
  /** Default: warnings and errors, on standard error. */
  readonly logger?: Logger;
}

/** What a value must be, in words; undefined: it is. */
type Check = (value: unknown) => string | undefined;

const oneOf =
  (...words: readonly unknown[]): Check =>
  (value) =>
    words.includes(value) ? undefined : words.map((word) => JSON.stringify(word)).join(" or ");
const isKind =
  (kind: "object" | "string"): Check =>
  (value) =>
    typeof value === kind && value !== null ? undefined : `${kind === "object" ? "an" : "a"} ${kind}`;
const isPort: Check = (value) =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65_535
    ? undefined
    : "a port, 0 to 65535";
const isTime: Check = (value) =>
  typeof value === "number" && value > 0 && value < Infinity ? undefined : "a number of milliseconds above 0";

const CHECKS: Readonly<Record<keyof StartOptions, Check>> = {
  data: (value) => (typeof value === "string" && value !== "" ? undefined : '"memory" or a path'),
  nodes: oneOf(1, 3),
  durability: oneOf("always", "everysec", "memory"),
  consensus: oneOf(...ALGORITHMS),
  port: isPort,
  httpPort: isPort,
  files: isKind("object"),
  jobs: isKind("object"),
  password: isKind("string"),
  requestTimeoutMs: isTime,
  logger: isKind("object"),
};

/** Raises USAGE for what is no option, or not as it must be, or contradicts another. An option that is undefined is not given. */
export function checkStartOptions(options: StartOptions): void {
  if (typeof options !== "object" || options === null) {
    throw new QuorateError("USAGE", `start takes an object of options, not ${show(options)}`);
  }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(CHECKS, name)) {
      throw new QuorateError(
        "USAGE",
        `start has no option ${name}; it has ${Object.keys(CHECKS).join(", ")}`,
      );
    }
    const wanted = value === undefined ? undefined : CHECKS[name as keyof StartOptions](value);
    if (wanted !== undefined)
      throw new QuorateError("USAGE", `${name} must be ${wanted}, not ${show(value)}`);
  }
  const { data = "memory", durability = "memory", port = 0, httpPort = 0, nodes = 1 } = options;
  if (data === "memory" && durability !== "memory") {
    throw new QuorateError("USAGE", `durability "${durability}" needs a directory: set data to a path`);
  }
  for (const [name, first] of Object.entries({ port, httpPort })) {
    if (first + nodes - 1 > 65_535) {
      throw new QuorateError("USAGE", `${name} ${first} leaves no ports for ${nodes} nodes, which count up`);
    }
  }
}

function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
