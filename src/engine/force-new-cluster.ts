/**
 * The last resort when a majority of a cluster is lost for good: one stopped node becomes a cluster of its own, with what its
 * directory holds.
 *
 * It breaks the promise of the log, and says so: what the others acknowledged without this node is gone, and what this node
 * holds becomes true although nobody may have acknowledged it. The new cluster has another identity, so that the old members,
 * should they come back after all, cannot take part in it, nor mistake it for theirs.
 */
import { createHash } from "node:crypto";
import { isAlgorithm } from "../consensus/algorithms.ts";
import type { DurableWrite, Entry, Index, Membership, Recovered, Term } from "../consensus/consensus.ts";
import { decodeMembership, encodeMembership } from "../consensus/membership.ts";
import { NO_BYTES } from "../runtime/bytes.ts";
import { QuorateError } from "../runtime/errors.ts";
import { openLocalWorld } from "../runtime/node/world.ts";
import type { Logger, NodeId } from "../runtime/world.ts";
import { readOwner, transferDirectory } from "./cluster/directory-identity.ts";
import { createMetrics } from "./cluster/metrics.ts";
import type { GroupStorage, NodeStorage } from "./node-storage.ts";
import { openNodeStorage } from "./node-storage.ts";

export interface ForceOptions {
  readonly id: NodeId;
  /** The node's own directory. */
  readonly dataDir: string;
  /** The cluster that it belongs to. */
  readonly clusterId: string;
  /** Where the node was reached, for a directory whose log does not say. */
  readonly address: string;
  readonly logger: Logger;
}

export interface ForcedCluster {
  readonly clusterId: string;
  readonly address: string;
  /** The end of the log that became the new cluster's. */
  readonly lastIndex: Index;
  readonly lastTerm: Term;
  /** The directory was damaged: even of what this node acknowledged something is lost. */
  readonly damaged: boolean;
}

/**
 * May be repeated after a crash. Rejects with DATA_DIRECTORY_IN_USE while the node runs, DATA_DIRECTORY_FOREIGN when the
 * directory is another node's or cluster's, UNSUPPORTED when its log is kept by an algorithm of a later version, USAGE when
 * it was never a member's; and as opening the node would.
 */
export async function forceNewCluster(options: ForceOptions): Promise<ForcedCluster> {
  const { id, dataDir, clusterId, logger } = options;
  const { cluster, directory, algorithm } = readOwner(dataDir);
  if (!isAlgorithm(algorithm)) {
    throw new QuorateError(
      "UNSUPPORTED",
      `${dataDir} is kept by ${algorithm}, which this version does not know`,
    );
  }
  const forcedId = createHash("sha256").update(`${clusterId} ${directory}`).digest("hex").slice(0, 16);
  const storage = await openNodeStorage({
    ...openLocalWorld(logger, (error) => {
      throw error;
    }),
    id,
    // An earlier attempt may have come so far.
    clusterId: cluster === forcedId ? forcedId : clusterId,
    algorithm,
    members: { [id]: options.address },
    dataDir,
    durability: "always",
    metrics: createMetrics(),
    acceptLoss: true,
    contain: undefined,
    furtherGroups: "found",
  });
  let forced: ForcedCluster;
  try {
    forced = await forceAllGroups(storage, options, forcedId);
  } finally {
    await storage.close();
  }
  transferDirectory(dataDir, { node: id, algorithm, cluster: forcedId });
  return forced;
}

/** The keyspace's group last: it is the one that says whether this may be done at all, and that it is done. */
async function forceAllGroups(
  storage: NodeStorage,
  options: ForceOptions,
  clusterId: string,
): Promise<ForcedCluster> {
  const { id, address } = options;
  const { recovered, directory, furtherGroups } = storage;
  const { known, before, last } = endOf(recovered);
  if (storage.newcomer && !known.some(({ identities }) => identities?.[id] === directory)) {
    throw new QuorateError("USAGE", `${id} waits to be admitted, and holds nothing of the cluster`);
  }
  const place = before?.addresses[id] ?? address;
  const alone: Membership = {
    voters: [id],
    outgoing: [],
    learners: [],
    addresses: { [id]: place },
    identities: { [id]: directory },
  };
  for (const group of furtherGroups) await appendMembership(group, alone);
  await appendMembership(storage, alone);
  const damaged = [storage, ...furtherGroups].some((group) => group.recovered.floor !== undefined);
  return { clusterId, address: place, lastIndex: last.index, lastTerm: last.term, damaged };
}

/** The log goes on after its end in a new term, with a membership of one: the next start leads at once. */
async function appendMembership({ storage, recovered }: GroupStorage, alone: Membership): Promise<void> {
  const { term, floor, chosen = 0 } = recovered;
  const { last } = endOf(recovered);
  const index = Math.max(last.index, chosen) + 1;
  const entry = { index, term: term + 1, kind: "membership", payload: encodeMembership(alone) } as const;
  const write: DurableWrite = {
    ballot: { term: term + 1, votedFor: undefined },
    entries: [...noops(last.index + 1, index - 1, term + 1), entry],
    ...(floor === undefined ? {} : { floor: "reached" }),
  };
  await new Promise<void>((resolve) => storage.append(write, resolve));
}

/** Where a log ends, and which members it knows; `before`: the latest of them. */
function endOf(recovered: Recovered): {
  readonly last: { readonly index: Index; readonly term: Term };
  readonly before: Membership | undefined;
  readonly known: readonly Membership[];
} {
  const { snapshot } = recovered;
  const entries = entriesKept(recovered);
  const changes = entries.filter(({ kind }) => kind === "membership");
  const memberships = changes.map(({ payload }) => decodeMembership(payload));
  return {
    last: entries.at(-1) ?? snapshot ?? { index: 0, term: 0 },
    before: memberships.at(-1) ?? snapshot?.membership,
    known: [...memberships, ...(snapshot === undefined ? [] : [snapshot.membership])],
  };
}

/**
 * What goes on: of a damaged log, what stands before the first entry that is lost. What came after that may rest on it.
 */
function entriesKept({ entries, snapshot, floor }: Recovered): readonly Entry[] {
  if (floor === undefined) return entries;
  let end = snapshot?.index ?? 0;
  return entries.filter(({ index }) => {
    if (index === end + 1) end = index;
    return index <= end;
  });
}

/** In place of what was known to be chosen and is lost: no start may miss it. */
function noops(from: Index, to: Index, term: Term): Entry[] {
  const entries: Entry[] = [];
  for (let index = from; index <= to; index++) entries.push({ index, term, kind: "noop", payload: NO_BYTES });
  return entries;
}
