/** How each type of collection is read back from a snapshot: the counterpart of `Collection.write`. */
import type { ByteReader } from "../../wire/byte-reader.ts";
import { readHash } from "./collections/hash-value.ts";
import { readList } from "./collections/list-value.ts";
import { readSet } from "./collections/set-value.ts";
import { readSortedSet } from "./collections/sorted-set-value.ts";
import type { Collection } from "./value.ts";

export type CollectionReaders = Readonly<
  Partial<Record<Collection["type"], (reader: ByteReader) => Collection>>
>;

/** Each type adds its row here. */
export const COLLECTION_READERS: CollectionReaders = {
  hash: readHash,
  list: readList,
  set: readSet,
  zset: readSortedSet,
};
