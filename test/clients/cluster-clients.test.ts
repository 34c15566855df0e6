/** Clients that know Redis Cluster write and read on when the leader of real nodes dies, and lose nothing acknowledged. */
import { setTimeout as delay } from "node:timers/promises";
import { Cluster, Redis } from "ioredis";
import { createCluster } from "redis";
import { afterEach, describe, expect, test } from "vitest";
import { ALGORITHMS } from "../../src/consensus/algorithms.ts";
import { cleanUp, until } from "../cli/program.ts";
import type { NodePlace } from "../faults/cluster.ts";
import { leaderOf, pidsOf, startThree } from "../faults/cluster.ts";

const CASE_TIMEOUT_MS = 90_000;
const GO_ON_MS = 30_000;
const WORKERS = 8;
/** Keys of all workers before the leader is killed, and after another leads. */
const BEFORE = 200;
const AFTER = 400;

interface ClusterClient {
  set(key: string, value: string): Promise<unknown>;
  get(key: string): Promise<string | null>;
  close(): void;
}

/** `scaleReads`: "slave" sends reads to the nodes that do not lead, behind READONLY. */
async function ioredis(places: readonly NodePlace[], scaleReads: "master" | "slave"): Promise<ClusterClient> {
  const cluster = new Cluster(
    places.map(({ host, port }) => ({ host, port })),
    { lazyConnect: true, scaleReads },
  );
  // Every failure also rejects the call that waits for it.
  cluster.on("error", () => undefined);
  await cluster.connect();
  return {
    set: (key, value) => cluster.set(key, value),
    get: (key) => cluster.get(key),
    close: () => cluster.disconnect(),
  };
}

async function nodeRedis(places: readonly NodePlace[], useReplicas: boolean): Promise<ClusterClient> {
  const cluster = createCluster({
    rootNodes: places.map(({ host, port }) => ({ url: `redis://${host}:${port}` })),
    useReplicas,
  });
  cluster.on("error", () => undefined);
  await cluster.connect();
  return {
    set: (key, value) => cluster.set(key, value),
    get: (key) => cluster.get(key),
    close: () => cluster.destroy(),
  };
}

const CLIENTS: Readonly<Record<string, (places: readonly NodePlace[]) => Promise<ClusterClient>>> = {
  "ioredis Cluster": (places) => ioredis(places, "master"),
  "ioredis Cluster that reads from replicas": (places) => ioredis(places, "slave"),
  "node-redis createCluster": (places) => nodeRedis(places, false),
  "node-redis createCluster that reads from replicas": (places) => nodeRedis(places, true),
};

afterEach(cleanUp);

/** Writes keys one after the other, each read back by its client; notes those that were acknowledged. */
class Load {
  readonly written: string[] = [];
  readonly errors: string[] = [];
  private readonly client: ClusterClient;
  private readonly prefix: string;
  private stopped = false;
  private next = 0;
  private readonly workers: Promise<unknown>;

  constructor(client: ClusterClient, prefix: string) {
    this.client = client;
    this.prefix = prefix;
    this.workers = Promise.all(Array.from({ length: WORKERS }, () => this.work()));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.workers;
  }

  private async work(): Promise<void> {
    while (!this.stopped) {
      this.next += 1;
      const key = `${this.prefix}:${this.next}`;
      try {
        await this.client.set(key, key);
        this.written.push(key);
        const value = await this.client.get(key);
        expect(value, `${key}, read behind its acknowledgement`).toBe(key);
      } catch (error) {
        if (error instanceof Error && error.name === "AssertionError") throw error;
        this.errors.push(String(error));
        await delay(20);
      }
    }
  }
}

describe.each(ALGORITHMS)("%s", (algorithm) => {
  test.each(Object.entries(CLIENTS))(
    "%s goes on when the leader dies for good, and every acknowledged write is there",
    async (name, open) => {
      const nodes = await startThree(algorithm, ["--no-restart"]);
      await pidsOf(nodes);
      const leader = await leaderOf(nodes);
      const client = await open(nodes);
      const load = new Load(client, name);
      try {
        const reached = (count: number): Promise<true> => {
          return until(`${count} writes, errors: ${load.errors.slice(-3).join("; ")}`, GO_ON_MS, () => {
            return load.written.length >= count || undefined;
          });
        };
        await reached(BEFORE);
        expect(load.errors).toEqual([]);
        process.kill(leader.pid, "SIGKILL");
        await until("another leader", GO_ON_MS, async () => {
          return (await leaderOf(nodes)).term > leader.term || undefined;
        });
        await reached(load.written.length + AFTER);
        await load.stop();
        for (const key of load.written) expect(await client.get(key)).toBe(key);
      } finally {
        await load.stop();
        client.close();
      }
      for (const { host, port } of nodes.filter(({ id }) => id !== leader.id)) {
        const plain = new Redis(port, host);
        plain.on("error", () => undefined);
        expect(await plain.mget(load.written)).toEqual(load.written);
        plain.disconnect();
      }
    },
    CASE_TIMEOUT_MS,
  );
});
