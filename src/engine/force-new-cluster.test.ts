/** The last resort on a real disk, whatever keeps the log, and whatever is damaged of it. */
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ALGORITHMS, createConsensus, type Algorithm } from "../consensus/algorithms.ts";
import type { DurableWrite, Effect, Entry, Membership } from "../consensus/consensus.ts";
import { DEFAULT_CONSENSUS_OPTIONS } from "../consensus/defaults.ts";
import type { ConsensusMessage } from "../consensus/protocol.ts";
import { bytesFromLatin1 } from "../runtime/bytes.ts";
import { openLocalWorld } from "../runtime/node/world.ts";
import type { Logger } from "../runtime/world.ts";
import { createMetrics } from "./cluster/metrics.ts";
import { readOwner } from "./cluster/directory-identity.ts";
import { forceNewCluster } from "./force-new-cluster.ts";
import type { NodeStorage } from "./node-storage.ts";
import { openNodeStorage } from "./node-storage.ts";

let dataDir: string;
const logger: Logger = { log: () => undefined };

beforeEach(() => (dataDir = fs.mkdtempSync(join(tmpdir(), "quorate-force-"))));
afterEach(() => fs.rmSync(dataDir, { recursive: true, force: true }));

const founding: Membership = {
  voters: ["n1", "n2", "n3"],
  outgoing: [],
  learners: [],
  addresses: { n1: "a:1", n2: "b:1", n3: "c:1" },
};

function open(algorithm: Algorithm, clusterId = "c"): Promise<NodeStorage> {
  return openNodeStorage({
    ...openLocalWorld(logger, (error) => {
      throw error;
    }),
    id: "n1",
    clusterId,
    algorithm,
    members: founding.addresses,
    dataDir,
    durability: "always",
    metrics: createMetrics(),
  });
}

const append = (node: NodeStorage, write: DurableWrite): Promise<void> =>
  new Promise((resolve) => node.storage.append(write, resolve));

const TERM = 2 ** 20 + 2;

const stored = (...indexes: number[]): Entry[] =>
  indexes.map((index) => ({
    index,
    term: TERM,
    kind: "command",
    payload: bytesFromLatin1(`value ${index} of all`),
  }));

async function keep(algorithm: Algorithm, ...writes: DurableWrite[]): Promise<void> {
  const node = await open(algorithm);
  await append(node, { ballot: { term: TERM, votedFor: "n2" } });
  for (const write of writes) await append(node, algorithm === "paxos" ? { ...write, slots: true } : write);
  await node.close();
}

function rot(text: string): void {
  for (const name of fs.readdirSync(dataDir).filter((each) => each.startsWith("wal-"))) {
    const bytes = fs.readFileSync(join(dataDir, name));
    const at = bytes.indexOf(text);
    if (at < 0) continue;
    bytes[at] = bytes.readUInt8(at) ^ 4;
    fs.writeFileSync(join(dataDir, name), bytes);
    return;
  }
  throw new Error(`${text} is not there`);
}

interface Life {
  readonly applied: string[];
  readonly role: string;
  readonly voters: readonly string[];
}

/** What the node does by itself when it starts, its disk aside: no time passes, and nobody answers. */
async function start(algorithm: Algorithm): Promise<Life> {
  const node = await open(algorithm, readOwner(dataDir).cluster);
  const options = {
    ...DEFAULT_CONSENSUS_OPTIONS,
    id: "n1",
    membership: founding,
    identity: node.directory,
    newcomer: node.newcomer,
    random: () => 0.5,
  };
  const core = createConsensus(algorithm, options, node.recovered, 0);
  const applied: string[] = [];
  let last = node.recovered.snapshot?.index ?? 0;
  const carryOut = async (effect: Effect<ConsensusMessage>): Promise<void> => {
    if (effect.type === "write") {
      await append(node, effect.write);
      core.step({ type: "durable", writeId: effect.id }, 0);
    }
    if (effect.type !== "commit") return;
    for (; last < effect.upTo; last += 1) {
      const { kind, payload } = core.entry(last + 1)!;
      if (kind === "command") applied.push(payload.toString("latin1"));
    }
  };
  for (let effects = core.drain(); effects.length > 0; effects = core.drain()) {
    for (const effect of effects) await carryOut(effect);
  }
  const { role, membership } = core.status(0);
  await node.close();
  return { applied, role, voters: membership.voters };
}

const force = (): ReturnType<typeof forceNewCluster> =>
  forceNewCluster({ id: "n1", dataDir, clusterId: "c", address: "a:1", logger });

const values = (...indexes: number[]): string[] => indexes.map((index) => `value ${index} of all`);

test.each(ALGORITHMS)("%s: what is left leads alone at once, with all that it held", async (algorithm) => {
  await keep(algorithm, { entries: stored(1, 2, 3, 4) });
  expect(await force()).toMatchObject({ lastIndex: 4, damaged: false });
  const alone = { role: "leader", voters: ["n1"] };
  expect(await start(algorithm)).toEqual({ ...alone, applied: values(1, 2, 3, 4) });
  // And at every later start.
  expect(await start(algorithm)).toMatchObject(alone);
});

test("paxos: what was accepted behind a gap counts too", async () => {
  await keep("paxos", { entries: stored(1, 2, 5), chosen: 1 });
  expect(await force()).toMatchObject({ lastIndex: 5, damaged: false });
  expect(await start("paxos")).toEqual({ role: "leader", voters: ["n1"], applied: values(1, 2, 5) });
});

test.each(ALGORITHMS)(
  "%s: of a damaged log only what is whole goes on, so that nothing takes effect without what it came after",
  async (algorithm) => {
    const chosen = algorithm === "paxos" ? { chosen: 4 } : {};
    await keep(
      algorithm,
      { entries: stored(1, 2) },
      { entries: stored(3) },
      { entries: stored(4, 5), ...chosen },
    );
    rot("value 3 of all");
    expect(await force()).toMatchObject({ lastIndex: 2, damaged: true });
    const life = { role: "leader", voters: ["n1"], applied: values(1, 2) };
    expect(await start(algorithm)).toEqual(life);
    expect(await start(algorithm)).toMatchObject({ role: "leader", voters: ["n1"] });
  },
);
