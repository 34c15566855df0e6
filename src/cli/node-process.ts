/** `quorate node`: the process of one node, under a supervisor. */
import { startNode } from "../engine/start-node.ts";
import { keepRoomInHeap } from "../runtime/node/heap.ts";
import { createLogger } from "../runtime/node/logger.ts";
import type { NodeConfig } from "./node-channel.ts";
import type { ServedNode } from "./node-service.ts";
import { serveSupervisor } from "./node-service.ts";

export function nodeProcess(): Promise<number> {
  keepRoomInHeap();
  return serveSupervisor(serve);
}

async function serve(config: NodeConfig, onFatal: (error: Error) => void): Promise<ServedNode> {
  const { logLevel, logFormat, password, secret, rack, cacheWrites, slots, ...place } = config;
  const node = await startNode({
    ...place,
    files: { rack, cacheWrites },
    jobs: { slots },
    onFatal,
    ...(password === undefined ? {} : { password }),
    ...(secret === undefined ? {} : { secret }),
    logger: createLogger({ level: logLevel, format: logFormat, fields: { node: config.id } }),
  });
  return {
    brief() {
      const { consensus, appliedIndex } = node.status();
      const { role, term, leader, commitIndex, newcomer = false } = consensus;
      return { role, term, leader, commitIndex, appliedIndex, newcomer };
    },
    stop: (handOver) => node.stop({ handOver }),
  };
}
