import { relative } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer } from "vitest/node";
import type { TestSpecification } from "vitest/node";

const common = { pool: "forks", testTimeout: 30_000, hookTimeout: 30_000 } as const;

/** Files of tests with no deadline that a second file beside could make them miss. */
const PAIRS = [
  "test/*.test.ts",
  "test/{conformance,house}/**/*.test.ts",
  "test/cli/{force,members,memory,mr,protected,simulate,tour,usage,wiped}.test.ts",
  "test/clients/alike.test.ts",
  "test/engine/{any-bytes,diverged,forgetful,saving}.test.ts",
  "test/files/{clients,contract,hadoop*,hdfs*,fs*,operators}.test.ts",
  "test/mapreduce/*.test.ts",
];

/**
 * What takes longest, first: a machine without a record of earlier runs takes large files first, and the longest is a few lines
 * that ended up last, with the other worker idle. Seconds; the order is all that matters.
 */
const LONGEST: Readonly<Record<string, number>> = {
  "test/simulation/raft.test.ts": 80,
  "test/simulation/paxos.test.ts": 70,
  "src/simulation/several-groups-members.test.ts": 43,
  "src/consensus/mutants.test.ts": 37,
  "src/simulation/files/swarm.test.ts": 29,
  "src/simulation/experiments.test.ts": 28,
  "src/mapreduce/task/task-process.test.ts": 24,
  "src/simulation/files/mutants.test.ts": 22,
  "src/simulation/several-groups.test.ts": 21,
  "src/engine/mapreduce/mutants.test.ts": 18,
  "test/mapreduce/streaming.test.ts": 87,
  "test/files/hadoop-attributes.test.ts": 86,
  "test/files/hadoop.test.ts": 48,
  "test/files/hadoop-cluster.test.ts": 33,
  "test/files/hdfs.test.ts": 30,
  "test/mapreduce/examples.test.ts": 30,
  "test/cli/mr.test.ts": 27,
};

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const order = ({ project }: TestSpecification): number => project.config.sequence.groupOrder;
    const seconds = ({ moduleId }: TestSpecification): number =>
      LONGEST[relative(this.ctx.config.root, moduleId)] ?? 0;
    const sorted = await super.sort(files);
    return sorted.sort((left, right) => order(left) - order(right) || seconds(right) - seconds(left));
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          ...common,
          name: "rooms",
          // Sweeps of seeds need time, and no clock but their own.
          include: ["src/**/*.test.ts", "test/simulation/**/*.test.ts"],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          // Whole programs that are asked one thing after the other: most of the time is spent in their starts.
          name: "pairs",
          include: PAIRS,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...common,
          // Real processes with deadlines of their own: one file at a time has the machine for itself.
          name: "whole",
          include: ["test/**/*.test.ts"],
          exclude: ["test/simulation/**", ...PAIRS],
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
