/** `quorate node`: the process of one node, under a supervisor. */
import type { StartNodeOptions } from "../engine/start-node.ts";
import { startNode } from "../engine/start-node.ts";
import { inlineMore } from "../runtime/node/compiler.ts";
import { keepRoomInHeap } from "../runtime/node/heap.ts";
import { createLogger } from "../runtime/node/logger.ts";
import type { NodeConfig } from "./node-channel.ts";
import type { ServedNode } from "./node-service.ts";
import { serveSupervisor } from "./node-service.ts";

export function nodeProcess(): Promise<number> {
  inlineMore();
  keepRoomInHeap();
  return serveSupervisor(serve);
}

async function serve(config: NodeConfig, onFatal: (error: Error) => void): Promise<ServedNode> {
  const node = await startNode(optionsOf(config, onFatal));
  return {
    brief() {
      const { consensus, appliedIndex } = node.status();
      const { role, term, leader, commitIndex, membership, newcomer = false } = consensus;
      const count = newcomer ? undefined : membership.voters.length + membership.learners.length;
      return { role, term, leader, commitIndex, appliedIndex, newcomer, members: count };
    },
    stop: () => node.stop({ handOver: true }),
  };
}

/** The node that a supervisor asks for. */
export function optionsOf(config: NodeConfig, onFatal: (error: Error) => void): StartNodeOptions {
  const {
    logLevel,
    logFormat,
    password,
    secret,
    rack,
    cacheWrites,
    scrubBandwidth,
    slots,
    advertiseHost,
    ...place
  } = config;
  return {
    ...place,
    files: { rack, cacheWrites, ...(scrubBandwidth === undefined ? {} : { scrubBandwidth }) },
    jobs: { slots },
    onFatal,
    ...(advertiseHost === undefined ? {} : { advertiseHost }),
    ...(password === undefined ? {} : { password }),
    ...(secret === undefined ? {} : { secret }),
    logger: createLogger({ level: logLevel, format: logFormat, fields: { node: config.id } }),
  };
}
