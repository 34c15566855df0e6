/** Deliberate bugs that the swarm must find: what it would not notice it does not prove. */
import { afterEach, expect, test, vi } from "vitest";
import { BlockUpkeep } from "../blocks/block-upkeep.ts";
import type { BlockStore } from "../blocks/block-store.ts";
import { DataNode } from "../blocks/data-node.ts";
import { PipelineWriter } from "../blocks/pipeline-writer.ts";
import type { NamespaceQueries } from "../namespace/queries.ts";
import { Swarm } from "./files-swarm.testing.ts";
import { NamespaceLog } from "./namespace-log.ts";

afterEach(() => void vi.restoreAllMocks());

const SEEDS_MAX = 25;

/** The first failure over the seeds, in its words. */
async function found(): Promise<string | undefined> {
  for (let seed = 1; seed <= SEEDS_MAX; seed++) {
    try {
      await new Swarm(seed, { steps: 40, clients: 3 }).run();
    } catch (error) {
      return (error as Error).message;
    }
  }
  return undefined;
}

const isWrongContent = /none of|nodes only|not within/;
vi.setConfig({ testTimeout: 200_000 });

test("questions that do not wait for a barrier are found out", async () => {
  vi.spyOn(NamespaceLog.prototype, "ask").mockImplementation(async function <T>(
    this: NamespaceLog,
    question: (namespace: NamespaceQueries) => T,
  ): Promise<T> {
    return this.now(question);
  });
  expect(await found()).toMatch(/none of/);
});

test("a sync that is acknowledged before anything is on a disk is found out", async () => {
  vi.spyOn(PipelineWriter.prototype, "sync").mockImplementation(function (this: PipelineWriter, done) {
    done(undefined, { ...this.written, length: this.length });
  });
  expect(await found()).toMatch(isWrongContent);
});

test("a block that is closed before its end is acknowledged is found out", async () => {
  const finish = Object.getOwnPropertyDescriptor(PipelineWriter.prototype, "finish")
    ?.value as PipelineWriter["finish"];
  vi.spyOn(PipelineWriter.prototype, "finish").mockImplementation(function (this: PipelineWriter, done) {
    const block = { ...this.written, length: this.length };
    finish.call(this, () => undefined);
    done(undefined, block);
  });
  expect(await found()).toMatch(isWrongContent);
});

test("replicas that are removed though a file names their block are found out", async () => {
  const removing = BlockUpkeep.prototype as unknown as { removals(id: number): readonly string[] };
  vi.spyOn(removing, "removals").mockImplementation(function (this: BlockUpkeep, id: number) {
    return this.locations.all(id).map(({ node }) => node);
  } as never);
  expect(await found()).toMatch(isWrongContent);
});

test("a node that takes a stale replica for a good one, and refuses to make another, is found out", async () => {
  const holding = DataNode.prototype as unknown as { hasGood(order: { readonly block: number }): boolean };
  vi.spyOn(holding, "hasGood").mockImplementation(function (this: DataNode, { block }) {
    const { store } = this as unknown as { readonly store: BlockStore };
    return store.get(block) !== undefined;
  });
  expect(await found()).toMatch(isWrongContent);
});
