/** What a node tells of itself and knows of the others, for those who ask how the cluster is. */
import type { Membership } from "../../consensus/consensus.ts";
import { members } from "../../consensus/membership.ts";
import { isVoter } from "../../consensus/quorum.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { Greeting } from "./frames.ts";
import type { MemberView } from "./local-node.ts";
import type { Peers } from "./peers.ts";

/** Where this node's own servers listen, once they do. */
export interface Advertised {
  readonly resp?: string;
  readonly http?: string;
  readonly pid?: number;
  readonly dataDir?: string;
}

export interface NodeViews {
  readonly members: readonly MemberView[];
  /** In sight, and no members. */
  readonly strangers: readonly MemberView[];
}

export function viewsOf(membership: Membership, peers: Peers, self: NodeId, own: Greeting): NodeViews {
  const view = (id: NodeId): MemberView => {
    const greeting = id === self ? own : peers.greetingOf(id);
    return {
      id,
      peer: membership.addresses[id] ?? greeting?.peer ?? "",
      resp: greeting?.resp,
      http: greeting?.http,
      pid: greeting?.pid,
      dataDir: greeting?.dataDir,
      role: id === self || peers.isLive(id) ? (greeting?.role ?? "unreachable") : "unreachable",
      appliedIndex: greeting?.appliedIndex,
      commitIndex: greeting?.commitIndex,
      diskBytes: greeting?.diskBytes,
      recovering: greeting?.recovering ?? false,
      refusing: greeting?.refusing,
      diverged: greeting?.diverged,
      voter: isVoter(membership, id),
      newcomer: greeting?.newcomer ?? false,
      directory: greeting?.directory,
      groups: greeting?.groups,
    };
  };
  const strangers = peers.seen().filter((id) => id !== self && membership.addresses[id] === undefined);
  if (membership.addresses[self] === undefined) strangers.push(self);
  return { members: members(membership).sort().map(view), strangers: strangers.sort().map(view) };
}
