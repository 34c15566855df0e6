/** One replica's state machine is made to go wrong: it is found out, stops serving, and the others go on. */
import { afterEach, describe, expect, test } from "vitest";
import { ALGORITHMS, createConsensus, protocolOf } from "../../src/consensus/algorithms.ts";
import type { Algorithm } from "../../src/consensus/algorithms.ts";
import { DEFAULT_CONSENSUS_OPTIONS } from "../../src/consensus/defaults.ts";
import type { ConsensusMessage } from "../../src/consensus/protocol.ts";
import type { HostedGroup } from "../../src/engine/cluster/hosted-group.ts";
import { DEFAULT_REPLICA_TUNING } from "../../src/engine/cluster/hosted-group.ts";
import { KeyspaceNode } from "../../src/engine/cluster/keyspace-node.ts";
import { ClusterNode } from "../../src/engine/cluster/node.ts";
import { createMemoryStorage } from "../../src/engine/group/memory-storage.ts";
import type { Tally } from "../../src/engine/group/tally.testing.ts";
import { createTally, encodeToken } from "../../src/engine/group/tally.testing.ts";
import { encodeCommand } from "../../src/engine/keyspace/command-codec.ts";
import { DATA_COMMANDS } from "../../src/engine/keyspace/commands/index.ts";
import type { KeyspaceCommand } from "../../src/engine/keyspace/keyspace-command.ts";
import { KeyspaceMachine } from "../../src/engine/keyspace/machine.ts";
import type { AppliedAt } from "../../src/engine/keyspace/machine.ts";
import { ReplyError } from "../../src/engine/keyspace/reply.ts";
import type { Reply } from "../../src/engine/keyspace/reply.ts";
import { statusDocument } from "../../src/engine/protocol/admin/status-document.ts";
import { createClock } from "../../src/runtime/node/clock.ts";
import { createLocalHub } from "../../src/runtime/node/local-network.ts";
import { createRandom } from "../../src/runtime/node/random.ts";
import { until } from "../cli/program.ts";

type Node = KeyspaceNode<KeyspaceCommand, KeyspaceMachine, ConsensusMessage>;
type TallyGroup = HostedGroup<string, number, Tally, ConsensusMessage>;

/** Forgets what it is told to, as a defect or a flipped bit would have it. */
class ForgetfulMachine extends KeyspaceMachine {
  override apply(command: KeyspaceCommand, at: AppliedAt): Reply {
    const lost = command.type === "call" && command.args[1] === "lost";
    return super.apply(lost ? { ...command, args: ["SET", "lost", "wrong"] } : command, at);
  }
}

const nodes: Node[] = [];
/** Group 1, beside the keyspace, of those nodes that were asked to host it. */
const tallies = new Map<string, TallyGroup>();
const logged: string[] = [];
afterEach(() => {
  for (const node of nodes.splice(0)) node.cluster.stop();
  tallies.clear();
  logged.length = 0;
});

/** `wrong`: whose keyspace goes wrong; `wrongTally`: all host a tally too, and that of this node goes wrong. */
function startNodes(
  algorithm: Algorithm,
  ids: readonly string[],
  wrong: readonly string[],
  wrongTally?: string,
): void {
  const hub = createLocalHub();
  const clock = createClock();
  const random = createRandom();
  const addresses = Object.fromEntries(ids.map((id) => [id, "local"]));
  ids.forEach((id, at) => {
    const world = {
      clock,
      random,
      network: hub.join(id),
      logger: {
        log(level: string, event: string, fields: object = {}) {
          if (level === "error") logged.push(`${id} ${event} ${JSON.stringify(fields)}`);
        },
      },
      fatal(error: Error): never {
        throw error;
      },
    };
    const group = <Machine>(number: number, name: string, machine: Machine) => ({
      id: number,
      name,
      algorithm,
      consensus: createConsensus(
        algorithm,
        {
          ...DEFAULT_CONSENSUS_OPTIONS,
          id,
          membership: { voters: ids, outgoing: [], learners: [], addresses },
          random: () => random.float(),
        },
        { term: 0, votedFor: undefined, snapshot: undefined, entries: [] },
        clock.monotonicMs(),
      ),
      codec: protocolOf(algorithm),
      storage: createMemoryStorage(clock),
      machine,
      recovered: undefined,
      tuning: DEFAULT_REPLICA_TUNING,
    });
    const cluster = new ClusterNode({
      id,
      clusterId: "test",
      directory: `${at + 1}`.repeat(32),
      world,
      durability: "memory",
    });
    const Machine = wrong.includes(id) ? ForgetfulMachine : KeyspaceMachine;
    nodes.push(new KeyspaceNode(cluster, group(0, "keyspace", new Machine({ commands: DATA_COMMANDS }))));
    if (wrongTally !== undefined) {
      const tally = createTally();
      const apply = tally.apply.bind(tally);
      if (wrongTally === id) tally.apply = (token, when) => apply(`not ${token}`, when);
      tallies.set(id, cluster.hostGroup(group(1, "tally", tally)));
    }
    cluster.start({});
  });
}

function write(node: Node | undefined, ...args: string[]): Promise<Reply> {
  const command: KeyspaceCommand = { type: "call", database: 0, args };
  return new Promise((resolve) => node?.write(command, encodeCommand(command), resolve));
}

function readThrough(node: Node | undefined): Promise<ReplyError | undefined> {
  return new Promise((resolve) => node?.barrier(resolve));
}

async function leaderOf(all: readonly Node[]): Promise<Node> {
  return until("a leader", 10_000, () => all.find((node) => node.status().consensus.role === "leader"));
}

describe.each(ALGORITHMS)("%s", (algorithm) => {
  test.each(["n1", "n2", "n3"])(
    "when the state of %s goes wrong, it serves nobody any more and gives leadership away; the others go on",
    async (wrong) => {
      startNodes(algorithm, ["n1", "n2", "n3"], [wrong]);
      const bad = nodes.find(({ id }) => id === wrong);
      const good = nodes.filter(({ id }) => id !== wrong);
      await leaderOf(nodes);
      expect(await write(good[0], "SET", "before", "1")).not.toBeInstanceOf(ReplyError);
      await write(good[0], "SET", "lost", "right");
      await until("it to be found out", 10_000, () => bad?.status().refusing);
      expect(bad?.status().refusing).toContain("is not that of a majority");
      expect((await readThrough(bad))?.message).toMatch(/^DIVERGED /);
      const refused = { message: expect.stringMatching(/^DIVERGED /) as string };
      expect(await write(bad, "SET", "after", "1")).toMatchObject(refused);
      expect(await new Promise((resolve) => bad?.saveSnapshot(resolve))).toMatchObject(refused);
      expect((await leaderOf(good)).id).not.toBe(wrong);
      for (const node of good) {
        expect(await readThrough(node)).toBeUndefined();
        expect(await write(node, "SET", "after", node.id)).not.toBeInstanceOf(ReplyError);
        await until("the others to tell", 10_000, () => node.status().diverged);
        expect(node.members().find(({ id }) => id === wrong)?.refusing).toContain("serves nobody");
      }
      expect(logged.filter((line) => line.startsWith(`${wrong} replicas diverged`))).not.toEqual([]);
    },
  );

  test.each(["n1", "n2", "n3"])(
    "when the state of a group beside the keyspace goes wrong at %s, that group alone serves nobody there any more",
    async (wrong) => {
      startNodes(algorithm, ["n1", "n2", "n3"], [], wrong);
      const bad = nodes.find(({ id }) => id === wrong);
      const good = nodes.filter(({ id }) => id !== wrong);
      const tallyOf = (id: string): TallyGroup => tallies.get(id)!;
      const count = (id: string): Promise<number | string | undefined> =>
        new Promise((resolve) => {
          tallyOf(id).propose("token", encodeToken("token"), (reply, error) => resolve(error?.code ?? reply));
        });
      await leaderOf(nodes);
      await until("a token to be counted", 10_000, async () => {
        return (await count(good[0]!.id)) === 1 || undefined;
      });
      const found = await until("it to be found out", 10_000, () => tallyOf(wrong).status().refusing);
      expect(found).toMatch(/^the state of tally of n\d after entry \d+ is not that of a majority/);
      expect(await count(wrong)).toBe("DIVERGED");
      const read = (id: string): Promise<string | undefined> =>
        new Promise((resolve) => tallyOf(id).barrier((error) => resolve(error?.code)));
      expect(await read(wrong)).toBe("DIVERGED");
      await until("another to lead", 10_000, () =>
        good.map(({ id }) => tallyOf(id).leadingTerm()).find((term) => term !== undefined),
      );
      for (const { id } of good) {
        expect(await read(id)).toBeUndefined();
        expect(typeof (await count(id))).toBe("number");
        await until("the others to tell", 10_000, () => tallyOf(id).status().diverged);
      }
      expect(statusDocument(good[0]!).nodes.find(({ id }) => id === wrong)?.diverged).toBe(found);
      // The keyspace of the same node is as it should be.
      expect(bad?.status().diverged).toBeUndefined();
      expect(await write(bad, "SET", "key", "1")).not.toBeInstanceOf(ReplyError);
      expect(await readThrough(bad)).toBeUndefined();
    },
  );

  test("of two nodes that differ neither is taken for the right one: both say so, and go on", async () => {
    startNodes(algorithm, ["n1", "n2"], ["n2"]);
    await leaderOf(nodes);
    await write(nodes[0], "SET", "lost", "right");
    for (const node of nodes) {
      await until("the difference to be told", 10_000, () => node.status().diverged);
      expect(await readThrough(node)).toBeUndefined();
      expect(node.status().refusing).toBeUndefined();
    }
  });

  test("replicas that agree say nothing", async () => {
    startNodes(algorithm, ["n1", "n2", "n3"], []);
    await leaderOf(nodes);
    const endMs = performance.now() + 2_500;
    while (performance.now() < endMs) for (const node of nodes) await write(node, "INCR", "counter");
    expect(nodes.map((node) => node.status().diverged)).toEqual([undefined, undefined, undefined]);
    expect(logged).toEqual([]);
  });
});
