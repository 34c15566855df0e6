/**
 * Storage policies and erasure coding policies under the names and numbers that Hadoop's clients expect. A storage policy is
 * a name that directories hand down: Quorate has one kind of storage, so every policy places alike. No erasure coding policy
 * is enabled, and a directory cannot be given one.
 */
import { QuorateError } from "../../../runtime/errors.ts";
import type { StoragePolicyJson } from "../../../wire/webhdfs/shapes.ts";

const DEFAULT_STORAGE_POLICY = "HOT";
export const DEFAULT_STORAGE_POLICY_ID = 7;

function policy(
  id: number,
  name: string,
  storageTypes: readonly string[],
  fallbacks: readonly string[] = [],
  copyOnCreateFile = false,
): StoragePolicyJson {
  return {
    id,
    name,
    storageTypes,
    creationFallbacks: fallbacks,
    replicationFallbacks: fallbacks,
    copyOnCreateFile,
  };
}

/** Of Hadoop 3.4 (ArchivalStorage.md). */
export const STORAGE_POLICIES: readonly StoragePolicyJson[] = [
  policy(1, "PROVIDED", ["PROVIDED", "DISK"], ["PROVIDED", "DISK"]),
  policy(2, "COLD", ["ARCHIVE"]),
  policy(5, "WARM", ["DISK", "ARCHIVE"], ["DISK", "ARCHIVE"]),
  policy(DEFAULT_STORAGE_POLICY_ID, DEFAULT_STORAGE_POLICY, ["DISK"], ["ARCHIVE"]),
  policy(10, "ONE_SSD", ["SSD", "DISK"], ["SSD", "DISK"]),
  policy(12, "ALL_SSD", ["SSD"], ["DISK"]),
  policy(14, "ALL_NVDIMM", ["NVDIMM"], ["DISK"]),
  policy(15, "LAZY_PERSIST", ["RAM_DISK", "DISK"], ["DISK"], true),
];

/** 0: none was set. */
export function storagePolicyId(name: string | undefined): number {
  return STORAGE_POLICIES.find((each) => each.name === name)?.id ?? 0;
}

/** Throws ARGUMENT_INVALID when there is no such policy. Undefined: the default one. */
export function storagePolicy(name: string | undefined): StoragePolicyJson {
  const wanted = (name ?? DEFAULT_STORAGE_POLICY).toUpperCase();
  const found = STORAGE_POLICIES.find((each) => each.name === wanted);
  if (found === undefined) {
    throw new QuorateError(
      "ARGUMENT_INVALID",
      `Cannot find a block policy with the name ${wanted.slice(0, 100)}`,
    );
  }
  return found;
}

function coding(id: number, codecName: string, numDataUnits: number, numParityUnits: number): object {
  const name = `${codecName.toUpperCase()}-${numDataUnits}-${numParityUnits}-1024k`;
  const schema = { codecName, numDataUnits, numParityUnits, extraOptions: {} };
  return {
    state: "DISABLED",
    policy: { name, schema, cellSize: 1024 * 1024, id, codecName, numDataUnits, numParityUnits },
  };
}

/** Those that Hadoop has built in (HDFSErasureCoding.md); here none is enabled. */
export const ERASURE_CODING_POLICIES: readonly object[] = [
  coding(1, "rs", 6, 3),
  coding(2, "rs", 3, 2),
  coding(4, "xor", 2, 1),
  coding(5, "rs", 10, 4),
];
