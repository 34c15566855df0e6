/** The state of the cluster as one node sees it, as JSON: what `/status`, `QUORATE STATUS` and `quorate status --json` give. */
import type { NodeId } from "../../../runtime/world.ts";
import type {
  FilesStatus,
  GroupStatus,
  LocalNode,
  MemberView,
  NodeStatus,
} from "../../cluster/local-node.ts";

/** The part of a node that tells about it. */
export type ObservedNode = Pick<
  LocalNode<never, unknown>,
  "id" | "clusterId" | "barrier" | "furtherBarriers" | "status" | "members" | "strangers"
>;

export interface StatusDocument {
  readonly cluster: string;
  /** The node that was asked. */
  readonly askedNode: NodeId;
  /** The members. */
  readonly nodes: readonly NodeEntry[];
  /** Nodes in sight that are no members, and wait to be admitted. */
  readonly strangers: readonly NodeEntry[];
  /** The keyspace's first. */
  readonly groups: readonly GroupEntry[];
  /** Null: the node that was asked serves no files. */
  readonly files: FilesEntry | null;
}

/** The file system as the node sees it that was asked. Sizes are bytes. */
export interface FilesEntry extends Omit<FilesStatus, "safeMode"> {
  /** Why no changes are taken, or null. */
  readonly safeMode: string | null;
}

/** A field is null while the node it describes was not heard. */
export interface NodeEntry {
  readonly id: NodeId;
  readonly pid: number | null;
  /** "host:port" */
  readonly resp: string | null;
  readonly http: string | null;
  readonly peer: string;
  readonly role: MemberView["role"];
  /** It counts in majorities; a member that does not is a learner. */
  readonly voter: boolean;
  /** Its data directory is not the one that the members mean: it has no say until it is added, or replaces its last life. */
  readonly newcomer: boolean;
  /** Identity of its data directory, or of its process when it keeps nothing; hexadecimal. */
  readonly directory: string | null;
  /** Its disk lost entries that it had acknowledged, and it is fetching them from the leader. */
  readonly recovering: boolean;
  /** Why it takes no writes for a reason of its own (its disk is full), or null. */
  readonly refusing: string | null;
  /** What it says of states that differ from its own, or null: replicas must hold the same. */
  readonly diverged: string | null;
  /** Where its data is; null also when it keeps none. */
  readonly dataDir: string | null;
  readonly commitIndex: number | null;
  readonly appliedIndex: number | null;
  /** Entries committed by the group that this node is not known to hold; up to half a second old, fresh at the leader. */
  readonly lag: number | null;
  readonly diskBytes: number | null;
}

export interface GroupEntry {
  readonly id: string;
  /** What it holds: "keyspace", or what a further group is called. */
  readonly name: string;
  readonly algorithm: NodeStatus["algorithm"];
  readonly leader: NodeId | null;
  readonly term: number;
  readonly commitIndex: number;
  readonly durability: NodeStatus["durability"];
  /** Why no writes are taken at present, or null. */
  readonly refusing: string | null;
}

/** The group that holds every key is "g0". */
export function groupName(group: number): string {
  return `g${group}`;
}

export function statusDocument(node: ObservedNode): StatusDocument {
  const status = node.status();
  const members = node.members();
  const commitIndex = Math.max(status.consensus.commitIndex, ...members.map((each) => each.commitIndex ?? 0));
  return {
    cluster: node.clusterId,
    askedNode: node.id,
    nodes: members.map((member) => {
      const matchIndex = status.consensus.progress.get(member.id)?.matchIndex ?? 0;
      return nodeEntry(member, commitIndex, member.newcomer === true ? 0 : matchIndex);
    }),
    strangers: (node.strangers?.() ?? []).map((stranger) => nodeEntry(stranger, commitIndex, 0)),
    groups: [
      groupEntry({ id: 0, name: "keyspace", ...status }, commitIndex, status.durability),
      ...(status.furtherGroups ?? []).map((group) => {
        const rows = members.flatMap((member) => member.groups?.find(({ id }) => id === group.id) ?? []);
        const highest = Math.max(group.consensus.commitIndex, ...rows.map((row) => row.commitIndex));
        return groupEntry(group, highest, status.durability);
      }),
    ],
    files: status.files === undefined ? null : { ...status.files, safeMode: status.files.safeMode ?? null },
  };
}

function groupEntry(
  { id, name, algorithm, consensus, refusing }: GroupStatus,
  commitIndex: number,
  durability: NodeStatus["durability"],
): GroupEntry {
  return {
    id: groupName(id),
    name,
    algorithm,
    leader: consensus.leader ?? null,
    term: consensus.term,
    commitIndex,
    durability,
    refusing: refusing ?? null,
  };
}

function nodeEntry(member: MemberView, commitIndex: number, matchIndex: number): NodeEntry {
  const held = member.appliedIndex === undefined ? undefined : Math.max(member.appliedIndex, matchIndex);
  return {
    id: member.id,
    pid: member.pid ?? null,
    resp: member.resp ?? null,
    http: member.http ?? null,
    peer: member.peer,
    role: member.role,
    voter: member.voter ?? true,
    newcomer: member.newcomer ?? false,
    directory: member.directory ?? null,
    recovering: member.recovering ?? false,
    refusing: member.refusing ?? null,
    diverged: member.diverged ?? member.groups?.find((row) => row.diverged)?.diverged ?? null,
    dataDir: member.dataDir ?? null,
    commitIndex: member.commitIndex ?? null,
    appliedIndex: member.appliedIndex ?? null,
    lag: held === undefined ? null : Math.max(0, commitIndex - held),
    diskBytes: member.diskBytes ?? null,
  };
}
