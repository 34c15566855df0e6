import { defineConfig } from "vitest/config";

const common = { pool: "forks", testTimeout: 30_000, hookTimeout: 30_000 } as const;

export default defineConfig({
  test: {
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
          // Real processes with deadlines of their own: one file at a time has the machine for itself.
          name: "whole",
          include: ["test/**/*.test.ts"],
          exclude: ["test/simulation/**"],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
