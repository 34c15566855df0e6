/**
 * runtime/node: the world of a real machine. One file a door: `clock`, `random`, `network` (with `peer-link`,
 * `peer-frame`, `peer-hello`), `disk`, `logger`; this one puts them together.
 */
import type { Disk, Logger, NodeId, World } from "../world.ts";
import { createClock } from "./clock.ts";
import type { TcpNetwork } from "./network.ts";
import { openTcpNetwork } from "./network.ts";
import { createRandom } from "./random.ts";

export interface NodeWorldOptions {
  readonly id: NodeId;
  readonly clusterId: string;
  /** Where peers are listened for; port 0 takes a free one. */
  readonly host: string;
  readonly peerPort: number;
  /** Keeps nodes that do not know it out of the cluster. Default: none. */
  readonly secret?: string;
  /** Differs between two runs of this node. Default: drawn at random. */
  readonly incarnation?: number;
  readonly disk: Disk;
  readonly logger: Logger;
  /** What becomes of a process that cannot go on. Default: a log line, then exit code 1. */
  readonly onFatal?: (error: Error) => void;
}

export interface NodeWorld extends World {
  readonly network: TcpNetwork;
}

/** Listens for peers and gives a node its doors. Rejects with PORT_IN_USE. */
export async function openNodeWorld(options: NodeWorldOptions): Promise<NodeWorld> {
  const { id, clusterId, host, disk, logger } = options;
  const clock = createClock();
  const random = createRandom();
  const onFatal = options.onFatal ?? exitAtOnce;
  const network = await openTcpNetwork({
    id,
    clusterId,
    host,
    port: options.peerPort,
    ...(options.secret === undefined ? {} : { secret: options.secret }),
    ...(options.incarnation === undefined ? {} : { incarnation: options.incarnation }),
    clock,
    random,
    logger,
  });
  const fatal = (error: Error): never => {
    logger.log("error", "node.fatal", { error: error.message, stack: error.stack });
    onFatal(error);
    throw error;
  };
  return { clock, random, disk, network, logger, fatal };
}

function exitAtOnce(): never {
  process.exit(1);
}
