/**
 * Peers inside one process: what `start({ nodes: 3 })` connects its nodes with. No sockets and no ports; a node can be cut
 * off and let in again, so that a test can watch what a partition does.
 */
import type { Bytes } from "../bytes.ts";
import { concatBytes } from "../bytes.ts";
import type { Network, NodeId } from "../world.ts";

export interface LocalHub {
  /** A node's door. Closing it makes the others see the link break, as they would when the process dies. */
  join(id: NodeId): Network;
  /** Cuts a node off from all others, both ways, without anyone being told: like a switch that lost power. */
  isolate(id: NodeId): void;
  /** Lets it in again, and tells of its links as of new ones: nobody was told of those that were made while it was cut off. */
  heal(id: NodeId): void;
}

interface Member {
  receive: (from: NodeId, frame: Bytes) => void;
  link: (peer: NodeId, up: boolean) => void;
  readonly queue: { from: NodeId; frame: Bytes }[];
  scheduled: boolean;
}

/** Frames that wait for one node; beyond, they are dropped (the contract of `Network` is best effort). */
const QUEUE_MAX_FRAMES = 65_536;

export function createLocalHub(): LocalHub {
  const members = new Map<NodeId, Member>();
  const isolated = new Set<NodeId>();

  const deliver = (id: NodeId): void => {
    const member = members.get(id);
    if (member === undefined) return;
    member.scheduled = false;
    for (const { from, frame } of member.queue.splice(0)) {
      if (!isolated.has(from) && !isolated.has(id)) member.receive(from, frame);
    }
  };

  const send = (from: NodeId, to: NodeId, parts: readonly Uint8Array[]): void => {
    const member = members.get(to);
    if (member === undefined || isolated.has(from) || isolated.has(to)) return;
    if (member.queue.length >= QUEUE_MAX_FRAMES) return;
    member.queue.push({ from, frame: concatBytes(parts) });
    if (member.scheduled) return;
    member.scheduled = true;
    setImmediate(() => deliver(to));
  };

  const announce = (id: NodeId, up: boolean): void => {
    for (const [other, member] of members) {
      if (other === id || isolated.has(other) || isolated.has(id)) continue;
      setImmediate(() => {
        if (members.get(other) === member) member.link(id, up);
      });
      if (up) setImmediate(() => members.get(id)?.link(other, true));
    }
  };

  return {
    join(id) {
      const member: Member = { receive: () => undefined, link: () => undefined, queue: [], scheduled: false };
      members.set(id, member);
      announce(id, true);
      return {
        send: (to, parts) => {
          if (members.get(id) === member) send(id, to, parts);
        },
        onFrame: (receive) => (member.receive = receive),
        onLink: (change) => (member.link = change),
        onArriving: () => undefined,
        queuedBytes: () => 0,
        setPeers: () => undefined,
        close: () => {
          if (members.get(id) !== member) return;
          members.delete(id);
          announce(id, false);
        },
      };
    },
    isolate: (id) => void isolated.add(id),
    heal: (id) => {
      if (isolated.delete(id) && members.has(id)) announce(id, true);
    },
  };
}
