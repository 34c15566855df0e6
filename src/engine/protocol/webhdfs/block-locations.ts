/** Where the parts of a file are, in the two shapes that clients ask for: of Hadoop 3.4, and of what was before. */
import type {
  BlockLocationJson,
  DatanodeInfoJson,
  LocatedBlockJson,
  LocatedBlocksJson,
} from "../../../wire/webhdfs/shapes.ts";
import type { BlockNode } from "../../files/blocks/locations.ts";
import type { BlockLocation } from "../../files/file-system.ts";
import type { FileStatus } from "../../files/namespace/model.ts";

export function blockLocationsJson(
  status: FileStatus,
  blocks: readonly BlockLocation[],
  nodes: readonly BlockNode[],
): readonly BlockLocationJson[] {
  return blocks.map((block) => {
    const { segment, replicas } = block;
    const holders = holdersOf(status, block, nodes);
    const names = holders.map(addressOf);
    return {
      cachedHosts: [],
      corrupt:
        segment.type === "block" && replicas.length > 0 && replicas.every(({ state }) => state === "corrupt"),
      hosts: holders.map(hostOf),
      length: segment.length,
      names,
      offset: segment.offset,
      storageTypes: holders.map(() => "DISK"),
      topologyPaths: holders.map(({ rack }, at) => `${rack}/${names[at] ?? ""}`),
    };
  });
}

export function locatedBlocksJson(
  status: FileStatus,
  blocks: readonly BlockLocation[],
  nodes: readonly BlockNode[],
): LocatedBlocksJson {
  const locatedBlocks = blocks.map((block) => locatedBlockJson(status, block, nodes));
  const last = locatedBlocks.at(-1);
  const reachesEnd = last !== undefined && last.startOffset + last.block.numBytes >= status.length;
  return {
    fileLength: status.length,
    isUnderConstruction: status.open,
    isLastBlockComplete: !status.open,
    locatedBlocks,
    lastLocatedBlock: reachesEnd ? last : null,
  };
}

function locatedBlockJson(
  status: FileStatus,
  block: BlockLocation,
  nodes: readonly BlockNode[],
): LocatedBlockJson {
  const { segment, replicas } = block;
  const holders = holdersOf(status, block, nodes);
  return {
    block: {
      blockPoolId: "quorate",
      // Bytes in the namespace are no block; clients only tell blocks apart by this number.
      blockId: segment.type === "block" ? segment.id : status.id,
      numBytes: segment.length,
      generationStamp: segment.type === "block" ? segment.stamp : 0,
    },
    blockToken: { urlString: "AAAAAA" },
    isCorrupt: replicas.length > 0 && replicas.every(({ state }) => state === "corrupt"),
    startOffset: segment.offset,
    locations: holders.map(datanodeJson),
    cachedLocations: [],
    storageTypes: holders.map(() => "DISK"),
  };
}

function datanodeJson(node: BlockNode): DatanodeInfoJson {
  const infoPort = Number(addressOf(node).slice(addressOf(node).lastIndexOf(":") + 1));
  return {
    ipAddr: hostOf(node),
    hostName: hostOf(node),
    storageID: node.id,
    // Only WebHDFS is spoken here; Hadoop's own transfer protocol is not.
    xferPort: infoPort,
    infoPort,
    infoSecurePort: 0,
    ipcPort: 0,
    capacity: node.capacityBytes,
    dfsUsed: node.usedBytes,
    remaining: node.freeBytes,
    blockPoolUsed: node.usedBytes,
    lastUpdate: 0,
    xceiverCount: node.readers + node.writers,
    networkLocation: node.rack,
    adminState: node.standing === "inService" ? "NORMAL" : "DECOMMISSION_INPROGRESS",
  };
}

/**
 * Bytes in the namespace are on every node that keeps it. No more of them are told of than the file has replicas: `setrep -w` of
 * Hadoop's shell waits until there are exactly as many, and none of these would ever go.
 */
function holdersOf(
  { replication }: FileStatus,
  { segment, replicas }: BlockLocation,
  nodes: readonly BlockNode[],
): readonly BlockNode[] {
  const holders = replicas.flatMap(
    ({ node }) => nodes.find(({ id, http }) => id === node && http !== undefined) ?? [],
  );
  return segment.type === "inline" ? holders.slice(0, Math.max(1, replication)) : holders;
}

function addressOf({ http = "" }: BlockNode): string {
  return http;
}

function hostOf(node: BlockNode): string {
  return addressOf(node).slice(0, addressOf(node).lastIndexOf(":")).replaceAll(/[[\]]/g, "");
}
