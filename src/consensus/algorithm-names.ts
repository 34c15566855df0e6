/** What the algorithms are called: apart from their code, so that a command line can name them without loading it. */

/** A new one is appended here and to the table of `algorithms.ts`; tests and benchmarks for all then run for it too. */
export const ALGORITHMS = ["raft"] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

export const DEFAULT_ALGORITHM: Algorithm = "raft";

export function isAlgorithm(name: string): name is Algorithm {
  return (ALGORITHMS as readonly string[]).includes(name);
}
