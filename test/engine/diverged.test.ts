/** One replica's state machine is made to go wrong: it is found out, stops serving, and the others go on. */
import { afterEach, describe, expect, test } from "vitest";
import { ALGORITHMS, createConsensus, protocolOf, type Algorithm } from "../../src/consensus/algorithms.ts";
import { DEFAULT_CONSENSUS_OPTIONS } from "../../src/consensus/defaults.ts";
import type { ConsensusMessage } from "../../src/consensus/protocol.ts";
import { ClusterNode, DEFAULT_REPLICA_TUNING } from "../../src/engine/cluster/node.ts";
import { createMemoryStorage } from "../../src/engine/group/memory-storage.ts";
import { encodeCommand } from "../../src/engine/keyspace/command-codec.ts";
import { DATA_COMMANDS } from "../../src/engine/keyspace/commands/index.ts";
import type { KeyspaceCommand } from "../../src/engine/keyspace/keyspace-command.ts";
import { KeyspaceMachine } from "../../src/engine/keyspace/machine.ts";
import type { AppliedAt } from "../../src/engine/keyspace/machine.ts";
import { ReplyError } from "../../src/engine/keyspace/reply.ts";
import type { Reply } from "../../src/engine/keyspace/reply.ts";
import { createClock } from "../../src/runtime/node/clock.ts";
import { createLocalHub } from "../../src/runtime/node/local-network.ts";
import { createRandom } from "../../src/runtime/node/random.ts";
import { until } from "../cli/program.ts";

type Node = ClusterNode<KeyspaceCommand, KeyspaceMachine, ConsensusMessage>;

/** Forgets what it is told to, as a defect or a flipped bit would have it. */
class ForgetfulMachine extends KeyspaceMachine {
  override apply(command: KeyspaceCommand, at: AppliedAt): Reply {
    const lost = command.type === "call" && command.args[1] === "lost";
    return super.apply(lost ? { ...command, args: ["SET", "lost", "wrong"] } : command, at);
  }
}

const nodes: Node[] = [];
const logged: string[] = [];
afterEach(() => {
  for (const node of nodes.splice(0)) node.stop();
  logged.length = 0;
});

function startNodes(algorithm: Algorithm, ids: readonly string[], wrong: readonly string[]): void {
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
    const consensus = createConsensus(
      algorithm,
      {
        ...DEFAULT_CONSENSUS_OPTIONS,
        id,
        membership: { voters: ids, outgoing: [], learners: [], addresses },
        random: () => random.float(),
      },
      { term: 0, votedFor: undefined, snapshot: undefined, entries: [] },
      clock.monotonicMs(),
    );
    const Machine = wrong.includes(id) ? ForgetfulMachine : KeyspaceMachine;
    const node: Node = new ClusterNode({
      id,
      clusterId: "test",
      directory: `${at + 1}`.repeat(32),
      world,
      algorithm,
      durability: "memory",
      consensus,
      codec: protocolOf(algorithm),
      storage: createMemoryStorage(clock),
      machine: new Machine({ commands: DATA_COMMANDS }),
      recovered: undefined,
      tuning: DEFAULT_REPLICA_TUNING,
    });
    nodes.push(node);
    node.start({});
  });
}

function write(node: Node | undefined, ...args: string[]): Promise<Reply> {
  const command: KeyspaceCommand = { type: "call", database: 0, args };
  return new Promise((resolve) => node?.write(command, encodeCommand(command), resolve));
}

function read(node: Node | undefined): Promise<ReplyError | undefined> {
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
      expect((await read(bad))?.message).toMatch(/^DIVERGED /);
      expect(await write(bad, "SET", "after", "1")).toMatchObject({
        message: expect.stringMatching(/^DIVERGED /),
      });
      expect((await leaderOf(good)).id).not.toBe(wrong);
      for (const node of good) {
        expect(await read(node)).toBeUndefined();
        expect(await write(node, "SET", "after", node.id)).not.toBeInstanceOf(ReplyError);
        await until("the others to tell", 10_000, () => node.status().diverged);
        expect(node.members().find(({ id }) => id === wrong)?.refusing).toContain("serves nobody");
      }
      expect(logged.filter((line) => line.startsWith(`${wrong} replicas diverged`))).not.toEqual([]);
    },
  );

  test("of two nodes that differ neither is taken for the right one: both say so, and go on", async () => {
    startNodes(algorithm, ["n1", "n2"], ["n2"]);
    await leaderOf(nodes);
    await write(nodes[0], "SET", "lost", "right");
    for (const node of nodes) {
      await until("the difference to be told", 10_000, () => node.status().diverged);
      expect(await read(node)).toBeUndefined();
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
