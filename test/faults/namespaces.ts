/**
 * A small network of its own for real processes: each node in a network namespace, joined by two switches (bridges), one for
 * its peers and one for its clients, so that a node can be cut off from the others while clients still reach it.
 *
 * Everything is done by `ip`: a full cut takes the node's link to its peers down at the switch; a one-way cut gives a node
 * a wrong hardware address for another, so that what it sends there arrives nowhere, silently, as on a broken network. The
 * switches live in a namespace too, where no firewall of the machine reaches.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { NodeId } from "../../src/runtime/world.ts";

const execute = promisify(execFile);

export interface Namespaces {
  /** The words of a command that runs another one in the node's namespace. */
  under(node: NodeId): readonly string[];
  /** Where clients on this machine reach the node. */
  clientHost(node: NodeId): string;
  /** Where its peers reach it. */
  peerHost(node: NodeId): string;
  /** Neither from nor to its peers. */
  isolate(node: NodeId): Promise<void>;
  /** What `from` sends to `to` is lost; the other direction works. */
  cut(from: NodeId, to: NodeId): Promise<void>;
  /** Ends every cut. */
  heal(): Promise<void>;
  remove(): Promise<void>;
}

type Side = "clients" | "peers";

/** Nobody's hardware address. */
const NOWHERE = "02:51:00:00:00:ff";

/** Makes the network. Needs root's rights and iproute2: ask `lacks("network namespaces")` first. */
export async function makeNamespaces(nodes: readonly NodeId[]): Promise<Namespaces> {
  // Names and addresses of this process, so that two runs on one machine do not meet.
  const tag = `q${process.pid}`;
  const net = 1 + (process.pid % 250);
  const hub = `${tag}-hub`;
  const outside = `${tag}c`;
  const nameOf = (node: NodeId): string => `${tag}-${node}`;
  const hostOf = (side: Side, node: NodeId): string =>
    `10.${side === "clients" ? 213 : 214}.${net}.${1 + nodes.indexOf(node)}`;
  const hardware = (side: Side, node: NodeId): string =>
    `02:51:00:00:0${side === "clients" ? 1 : 2}:0${1 + nodes.indexOf(node)}`;

  const remove = async (): Promise<void> => {
    await ip("link", "delete", outside).catch(() => undefined);
    for (const name of [...nodes.map(nameOf), hub]) await ip("netns", "delete", name).catch(() => undefined);
  };
  const neighbour = (from: NodeId, to: NodeId, address: string): Promise<void> => {
    const entry = [hostOf("peers", to), "lladdr", address, "dev", "peers", "nud", "permanent"];
    return ip("-n", nameOf(from), "neigh", "replace", ...entry);
  };
  const heal = async (): Promise<void> => {
    for (const node of nodes) {
      await ip("-n", hub, "link", "set", `peers-${node}`, "up");
      for (const other of nodes) {
        if (other !== node) await neighbour(node, other, hardware("peers", other));
      }
    }
  };
  const build = async (): Promise<void> => {
    await ip("netns", "add", hub);
    for (const side of ["clients", "peers"]) {
      await ip("-n", hub, "link", "add", side, "type", "bridge");
      await ip("-n", hub, "link", "set", side, "up");
    }
    await ip("link", "add", outside, "type", "veth", "peer", "name", "outside", "netns", hub);
    await ip("-n", hub, "link", "set", "outside", "master", "clients", "up");
    await ip("address", "add", `10.213.${net}.254/24`, "dev", outside);
    await ip("link", "set", outside, "up");
    for (const node of nodes) {
      const name = nameOf(node);
      await ip("netns", "add", name);
      await ip("-n", name, "link", "set", "lo", "up");
      for (const side of ["clients", "peers"] as const) {
        const port = `${side}-${node}`;
        const end = ["netns", name, "name", side, "address", hardware(side, node)];
        await ip("-n", hub, "link", "add", port, "type", "veth", "peer", ...end);
        await ip("-n", hub, "link", "set", port, "master", side, "up");
        await ip("-n", name, "address", "add", `${hostOf(side, node)}/24`, "dev", side);
        await ip("-n", name, "link", "set", side, "up");
      }
    }
    await heal();
  };

  try {
    await build();
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    under: (node) => ["ip", "netns", "exec", nameOf(node)],
    clientHost: (node) => hostOf("clients", node),
    peerHost: (node) => hostOf("peers", node),
    isolate: (node) => ip("-n", hub, "link", "set", `peers-${node}`, "down"),
    cut: (from, to) => neighbour(from, to, NOWHERE),
    heal,
    remove,
  };
}

async function ip(...words: readonly string[]): Promise<void> {
  await execute("ip", words, { timeout: 10_000 });
}
