/**
 * Storage policies and erasure coding policies under the names and numbers that Hadoop's clients expect. A storage policy is
 * a name that directories hand down: Quorate has one kind of storage, so every policy places alike.
 */
import { QuorateError } from "../../../runtime/errors.ts";
import type {
  ErasureCodingPolicyJson,
  OperationAnswers,
  StoragePolicyJson,
} from "../../../wire/webhdfs/shapes.ts";
import { ERASURE_POLICIES } from "../../files/namespace/erasure-policy.ts";

const DEFAULT_STORAGE_POLICY = "HOT";
export const DEFAULT_STORAGE_POLICY_ID = 7;

function policy(
  id: number,
  name: string,
  storageTypes: readonly string[],
  fallbacks: readonly string[] = [],
  copyOnCreateFile = false,
  creationFallbacks = fallbacks,
): StoragePolicyJson {
  return {
    id,
    name,
    storageTypes,
    creationFallbacks,
    replicationFallbacks: fallbacks,
    copyOnCreateFile,
  };
}

/** Of Hadoop 3.4 (ArchivalStorage.md). */
export const STORAGE_POLICIES: readonly StoragePolicyJson[] = [
  policy(1, "PROVIDED", ["PROVIDED", "DISK"], ["PROVIDED", "DISK"]),
  policy(2, "COLD", ["ARCHIVE"]),
  policy(5, "WARM", ["DISK", "ARCHIVE"], ["DISK", "ARCHIVE"]),
  policy(DEFAULT_STORAGE_POLICY_ID, DEFAULT_STORAGE_POLICY, ["DISK"], ["ARCHIVE"], false, []),
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

/** As Hadoop's server shows it. */
function codingJson(
  id: number,
  codecName: string,
  numDataUnits: number,
  numParityUnits: number,
  name = `${codecName.toUpperCase()}-${numDataUnits}-${numParityUnits}-1024k`,
): ErasureCodingPolicyJson {
  const schema = { codecName, numDataUnits, numParityUnits, extraOptions: {} };
  const units = { codecName, numDataUnits, numParityUnits };
  const cellSize = 1024 * 1024;
  return { name, schema, cellSize, id, ...units, replicationPolicy: false, systemPolicy: true };
}

/** Those that Hadoop has built in (HDFSErasureCoding.md), in its order; of these, `ERASURE_POLICIES` can be given to directories. */
const CODING_POLICIES: readonly ErasureCodingPolicyJson[] = [
  codingJson(5, "rs", 10, 4),
  codingJson(2, "rs", 3, 2),
  codingJson(1, "rs", 6, 3),
  codingJson(3, "rs-legacy", 6, 3),
  codingJson(4, "xor", 2, 1),
];

export const ERASURE_CODING_POLICIES: OperationAnswers["GETECPOLICIES"]["ErasureCodingPolicies"]["ErasureCodingPolicyInfo"] =
  CODING_POLICIES.map((policy) => ({
    state: isEnabled(policy.name) ? "ENABLED" : "DISABLED",
    policy,
  }));

/** Codecs, and what makes them. */
export const ERASURE_CODING_CODECS: object = { rs: "rs_simd, rs_table" };

/** Null, as Hadoop answers: what is made there is replicated. */
export function erasureCodingPolicy(name: string | undefined): ErasureCodingPolicyJson | null {
  return CODING_POLICIES.find((each) => each.name === name) ?? null;
}

/** Every policy that there is is enabled, always. Throws ARGUMENT_INVALID, UNSUPPORTED. */
export function enableErasureCoding(name: string): undefined {
  if (isEnabled(name)) return undefined;
  if (erasureCodingPolicy(name) === null) {
    throw new QuorateError("ARGUMENT_INVALID", `The policy name ${name.slice(0, 100)} does not exist`);
  }
  throw new QuorateError("UNSUPPORTED", `there is no codec for the policy ${name}`);
}

function isEnabled(name: string): boolean {
  return ERASURE_POLICIES.some((each) => each.name === name);
}
