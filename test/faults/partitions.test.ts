/** Three real processes on a network of their own that is cut under load: the majority goes on, and nobody sees a stale answer. */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { ALGORITHMS } from "../../src/consensus/algorithms.ts";
import type { Algorithm } from "../../src/consensus/algorithms.ts";
import { cleanUp, keptBy, launch, scratch } from "../cli/program.ts";
import { lacks } from "../engines.ts";
import type { Leader, NodePlace } from "./cluster.ts";
import { leaderOf } from "./cluster.ts";
import { Load } from "./load.ts";
import type { Namespaces } from "./namespaces.ts";
import { makeNamespaces } from "./namespaces.ts";
import { judge } from "./verdict.ts";

const CASE_TIMEOUT_MS = 120_000;
const IDS = ["n1", "n2", "n3"] as const;
const STEADY = 400;
const RESUME_MS = 20_000;
/** How long a cut lasts beyond the majority's first steps. */
const CUT_MS = 2_500;

let network: Namespaces | undefined;

afterEach(async () => {
  await cleanUp();
  await network?.remove();
  network = undefined;
});

/** A node in each namespace, started as on three machines. */
function startNodes(within: Namespaces, algorithm: Algorithm): readonly NodePlace[] {
  const cluster = IDS.map((id) => `${id}=${within.peerHost(id)}:16379`).join(",");
  return IDS.map((id) => {
    const ports = ["--port", "6379", "--http-port", "9870", "--peer-port", "16379"];
    const place = ["--name", id, "--cluster", cluster, "--host", "0.0.0.0", "--data", join(scratch(), id)];
    const kept = keptBy(algorithm);
    launch(["start", ...place, ...ports, ...kept], {}, within.under(id));
    const host = within.clientHost(id);
    return { id, host, port: 6379, http: `http://${host}:9870` };
  });
}

function others(leader: Leader): readonly [string, string] {
  const [first = "", second = ""] = IDS.filter((id) => id !== leader.id);
  return [first, second];
}

interface Cut {
  readonly what: string;
  /** True when the leader cannot go on leading, so that another must. */
  readonly deposes: boolean;
  readonly apply: (within: Namespaces, leader: Leader) => Promise<void>;
}

const CUTS: readonly Cut[] = [
  { what: "the leader alone", deposes: true, apply: (within, { id }) => within.isolate(id) },
  {
    what: "the leader is heard by nobody",
    deposes: true,
    apply: async (within, leader) => {
      for (const other of others(leader)) await within.cut(leader.id, other);
    },
  },
  {
    what: "the leader hears nobody",
    deposes: true,
    apply: async (within, leader) => {
      for (const other of others(leader)) await within.cut(other, leader.id);
    },
  },
  {
    what: "one follower alone",
    deposes: false,
    apply: (within, leader) => within.isolate(others(leader)[0]),
  },
  {
    what: "the leader and one follower do not reach each other",
    deposes: false,
    apply: async (within, leader) => {
      const [follower] = others(leader);
      await within.cut(leader.id, follower);
      await within.cut(follower, leader.id);
    },
  },
];

test.skipIf(lacks("network namespaces")).each(ALGORITHMS)(
  "%s: histories stay linearizable while leaders are cut off, wholly and one way, and clients still reach them",
  async (algorithm) => {
    const within = (network = await makeNamespaces(IDS));
    const nodes = startNodes(within, algorithm);
    await leaderOf(nodes);
    const load = new Load({ nodes, clients: 9, seed: 4 });
    await load.progress("before any cut", STEADY, RESUME_MS);
    for (const { what, deposes, apply } of CUTS) {
      load.nextPhase();
      const leader = await leaderOf(nodes);
      await apply(within, leader);
      await load.progress(what, STEADY, RESUME_MS, deposes ? leader.at : undefined);
      if (deposes) expect((await leaderOf(nodes, leader.id)).term).toBeGreaterThan(leader.term);
      await delay(CUT_MS);
      await within.heal();
      for (const at of nodes.keys()) await load.answersAt(at, RESUME_MS);
      await load.progress(`after ${what}`, STEADY, RESUME_MS);
    }
    await judge(`cuts-${algorithm}`, load);
  },
  CASE_TIMEOUT_MS,
);
