/** Seeds of tests whose worlds `quorate simulate` does not have: each failure says how to take its seed alone. */

const VARIABLE = "QUORATE_GROUP_SEEDS";

/** From `first` to `last`, or those of QUORATE_GROUP_SEEDS: "17-160", or "17" alone. */
export function seedsFrom(first: number, last: number): readonly number[] {
  const [from = first, to = from] = (process.env[VARIABLE] ?? `${first}-${last}`).split("-").map(Number);
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}

/** The command that takes one seed in the tests of a file whose names begin so. */
export function replayTest(file: string, names: string, seed: number): string {
  return `${VARIABLE}=${seed} npx vitest run src/simulation/${file} -t "${names}"`;
}

/** Takes each seed in turn. What is thrown says which it was and how to see it again. */
export function takeEach(
  seeds: readonly number[],
  file: string,
  names: string,
  take: (seed: number) => void,
): void {
  for (const seed of seeds) {
    try {
      take(seed);
    } catch (error) {
      if (error instanceof Error)
        error.message = `seed ${seed}: ${error.message}\nAgain: ${replayTest(file, names, seed)}`;
      throw error;
    }
  }
}
