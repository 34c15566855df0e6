/** How each type of collection is read back from a snapshot: the counterpart of `Collection.write`. */
import type { ByteReader } from "../../wire/byte-reader.ts";
import type { Collection } from "./value.ts";

export type CollectionReaders = Readonly<
  Partial<Record<Collection["type"], (reader: ByteReader) => Collection>>
>;

/** Each type adds its row here. */
export const COLLECTION_READERS: CollectionReaders = {};
