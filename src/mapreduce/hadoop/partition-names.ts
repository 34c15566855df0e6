/**
 * Names that Hadoop's KeyFieldBasedPartitioner gives to the partition that is wanted: it hashes the first field of a key, so each
 * partition is called by a number whose digits have the right hash.
 */
import { partitionOf, stringHash } from "../streaming/java-text.ts";

/** Between the name of the partition and the key. */
export const NAME_END = "|";

export function partitionNames(partitions: number): readonly string[] {
  const names: string[] = [];
  let missing = partitions;
  for (let number = 0; missing > 0; number++) {
    const name = String(number);
    const partition = partitionOf(stringHash(name), partitions);
    if (names[partition] !== undefined) continue;
    names[partition] = name;
    missing--;
  }
  return names;
}
