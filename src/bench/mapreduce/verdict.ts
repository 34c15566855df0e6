/** Whether what came out is right: a benchmark of a wrong answer measures nothing. */
import { createReadStream, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { crc32 } from "node:zlib";

/** Files of an output in their order; those that begin with a mark are no output. */
export function partsOf(output: string): readonly string[] {
  const names = readdirSync(output).filter((name) => !/^[._]/.test(name));
  return names.toSorted().map((name) => join(output, name));
}

async function* linesOf(paths: readonly string[]): AsyncGenerator<string> {
  for (const path of paths) yield* createInterface({ input: createReadStream(path), crlfDelay: Infinity });
}

/** Lines of a word and a number, in either order. Throws on the first word whose number is another. */
export async function checkCounts(
  paths: readonly string[],
  expected: ReadonlyMap<string, number>,
): Promise<void> {
  let words = 0;
  for await (const line of linesOf(paths)) {
    const match = /^\s*(?:([a-z]+)\s+(\d+)|(\d+)\s+([a-z]+))\s*$/.exec(line);
    const word = match?.[1] ?? match?.[4] ?? "";
    const count = Number(match?.[2] ?? match?.[3]);
    if (expected.get(word) !== count) throw new Error(`"${line}": it is ${expected.get(word)}`);
    words++;
  }
  if (words !== expected.size) throw new Error(`${words} words in place of ${expected.size}`);
}

export interface Records {
  readonly records: number;
  /** The same in every order of the records. */
  readonly sum: number;
}

/** Throws when the lines are not in order. */
export async function checkSorted(paths: readonly string[]): Promise<Records> {
  let [records, sum, last] = [0, 0, ""];
  for await (const line of linesOf(paths)) {
    const key = line.slice(0, 10);
    if (key < last) throw new Error(`record ${records}: "${key}" after "${last}"`);
    last = key;
    records++;
    sum = (sum + crc32(line)) % 2 ** 48;
  }
  return { records, sum };
}

export async function sumOf(path: string): Promise<Records> {
  let [records, sum] = [0, 0];
  for await (const line of linesOf([path])) {
    records++;
    sum = (sum + crc32(line)) % 2 ** 48;
  }
  return { records, sum };
}
