/** Keys of a streaming job between map and reduce: how they are encoded, compared and given to partitions. */
import { QuorateError } from "../../runtime/errors.ts";
import type { PartitionBytes } from "../key-order.ts";
import { textHash, longHash, partitionOf } from "./java-text.ts";
import type { KeyParts } from "./key-fields.ts";
import { firstFields, keyWithin, orderedKey, parseKeyParts, partitionByKeyParts } from "./key-fields.ts";
import type { Properties } from "./property-names.ts";
import { hadoopClass } from "./settings.ts";

/** `offset`: positions in files, of an identity mapper over text. */
export type KeyKind = "bytes" | "offset";

export interface StreamingKeys {
  /** What travels and is compared by its bytes. */
  encode(bytes: Buffer, start: number, end: number): Buffer;
  /** Where, in what travels, the key lies; ends are exclusive. */
  within(bytes: Buffer, start: number, end: number): { readonly start: number; readonly end: number };
  /** Of a key that travels. */
  readonly partition: PartitionBytes;
  /** Whether `encode` changes anything. */
  readonly plain: boolean;
}

const SEPARATOR = "mapreduce.map.output.key.field.separator";
const OLD_COUNT = "num.key.fields.for.partition";

/** Throws USAGE, or UNSUPPORTED for classes that are not there. */
export function streamingKeys(
  kind: KeyKind,
  properties: Properties,
  partitioner: string | undefined,
): StreamingKeys {
  const order = orderOf(properties);
  const parts = partitionParts(properties, partitioner);
  const within: StreamingKeys["within"] =
    order === undefined ? (_bytes, start, end) => ({ start, end }) : keyWithin;
  return {
    plain: order === undefined,
    encode: (bytes, start, end) => {
      const key = bytes.subarray(start, end);
      return order === undefined ? key : orderedKey(order, key);
    },
    within,
    partition(bytes, start, end, partitions) {
      const key = within(bytes, start, end);
      if (kind === "offset")
        return partitionOf(longHash(Number(bytes.readBigUInt64BE(key.start))), partitions);
      if (parts === undefined) return partitionOf(textHash(bytes, key.start, key.end), partitions);
      return partitionByKeyParts(parts, bytes.subarray(key.start, key.end), partitions);
    },
  };
}

function orderOf(properties: Properties): KeyParts | undefined {
  const comparator = properties["mapreduce.job.output.key.comparator.class"];
  if (comparator === undefined) return undefined;
  if (hadoopClass(comparator) !== "KeyFieldBasedComparator")
    throw new QuorateError(
      "UNSUPPORTED",
      `the comparator ${comparator} is not there; there is KeyFieldBasedComparator`,
    );
  const options = properties["mapreduce.partition.keycomparator.options"] ?? "";
  const parsed = parseKeyParts(options, properties[SEPARATOR] ?? "\t");
  return parsed.parts.length === 0 ? undefined : parsed;
}

/** Undefined: a hash of the whole key. */
function partitionParts(properties: Properties, partitioner: string | undefined): KeyParts | undefined {
  switch (partitioner === undefined ? "HashPartitioner" : hadoopClass(partitioner)) {
    case "HashPartitioner":
      return undefined;
    case "KeyFieldBasedPartitioner": {
      const separator = properties[SEPARATOR] ?? "\t";
      const count = properties[OLD_COUNT];
      if (count !== undefined) return firstFields(Number(count) || 0, separator);
      return parseKeyParts(properties["mapreduce.partition.keypartitioner.options"] ?? "", separator);
    }
    default:
      throw new QuorateError(
        "UNSUPPORTED",
        `-partitioner ${partitioner ?? ""} is not there; there are KeyFieldBasedPartitioner and HashPartitioner`,
      );
  }
}
