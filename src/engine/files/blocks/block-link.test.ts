import { expect, test } from "vitest";
import type { Network, NodeId } from "../../../runtime/world.ts";
import { SimulatedWorld } from "../../../runtime/simulated/world.ts";
import type { Answer } from "./ask-all.ts";
import { askAll } from "./ask-all.ts";
import { BlockCluster } from "./block-cluster.testing.ts";
import { BlockLink } from "./block-link.ts";
import { readBlock } from "./block-reader.ts";
import { STREAM_SILENCE_MS } from "./protocol.ts";

/** A link whose peer comes and goes in the middle of a turn, which no simulated network does. */
function linkOf(): {
  readonly link: BlockLink;
  readonly endTurn: () => void;
  readonly change: (up: boolean) => void;
} {
  const world = new SimulatedWorld(1);
  const turn: (() => void)[] = [];
  let change: (peer: NodeId, up: boolean) => void = () => undefined;
  const network: Partial<Network> = {
    send: () => undefined,
    onFrame: () => undefined,
    onLink: (listener) => (change = listener),
  };
  let link: BlockLink | undefined;
  world.addMachine("n1").start(({ clock, random, logger }) => {
    const later = { ...clock, endOfTurn: (callback: () => void) => void turn.push(callback) };
    link = new BlockLink({ self: "n1", network: network as Network, clock: later, random, logger });
  });
  while (link === undefined) world.scheduler.stepUntil(1_000);
  const endTurn = (): void => {
    for (const callback of turn.splice(0)) callback();
  };
  return { link, endTurn, change: (up) => change("n2", up) };
}

test("a stream that is opened to a peer that is away fails, and that one alone, though the peer is back in the same turn", () => {
  const { link, endTurn, change } = linkOf();
  const downs: NodeId[] = [];
  const failed: string[] = [];
  link.onDown((peer) => downs.push(peer));
  for (const type of ["opened", "held", "close"] as const) {
    link.on(type, (from, { stream, failure }) => failed.push(`${type} ${stream} ${from} ${failure?.node}`));
  }
  change(false);
  expect(downs).toEqual(["n2"]);
  const common = { block: 1, stamp: 1, length: 10 };
  link.send("n2", { type: "open", stream: 1, ...common, mode: "create", durability: "disk", rest: [] });
  link.send("n2", { type: "fetch", stream: 2, ...common, from: ["n3"] });
  link.send("n2", { type: "read", stream: 3, block: 1, minStamp: 1, offset: 0, length: 10 });
  link.send("n2", { type: "checksum", stream: 4, block: 1, minStamp: 1, length: 10 });
  link.send("n2", { type: "beginRecovery", stream: 5, block: 1, recoveryStamp: 2 });
  expect(failed).toEqual([]);
  change(true);
  link.send("n2", { type: "read", stream: 6, block: 1, minStamp: 1, offset: 0, length: 10 });
  endTurn();
  expect(failed).toEqual(["opened 1 n2 n2", "held 2 n2 n2", "close 3 n2 n2", "close 4 n2 n2"]);
  expect(downs).toEqual(["n2"]);
});

test("a recovery waits for a node that is away, whoever else would read from it meanwhile", () => {
  const cluster = new BlockCluster(1, ["n1", "n2", "n3"]);
  const { network } = cluster.world;
  const { link } = cluster.node("n1");
  cluster.run(100);
  network.partition(["n2"], "hold");
  cluster.until(() => link.isAway("n2"), "cut off");
  let answers: readonly Answer<{ readonly node: NodeId }>[] | undefined;
  askAll(
    link,
    [{ node: "n2" }, { node: "n3" }],
    (stream) => ({ type: "beginRecovery", stream, block: 1, recoveryStamp: 2 }),
    (all) => (answers = all),
  );
  let ends = 0;
  readBlock(
    link,
    { block: 1, stamp: 1, offset: 0, length: 10, from: ["n2"] },
    { piece: () => undefined, damaged: () => undefined, end: () => ends++ },
  );
  cluster.run(STREAM_SILENCE_MS / 5);
  expect(ends).toBe(1);
  expect(answers).toBeUndefined();
  network.heal();
  cluster.until(() => answers !== undefined, "all answered");
  expect(answers?.filter(({ frame }) => frame !== undefined).map(({ node }) => node)).toEqual(["n3", "n2"]);
});
