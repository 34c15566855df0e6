/** The replicated settings: what each may be. */
import { hashText } from "../../../wire/digest.ts";
import type { NamespaceSettings } from "./model.ts";
import { Refusal } from "./replies.ts";

export const DEFAULT_NAMESPACE_SETTINGS: NamespaceSettings = {
  superuser: "quorate",
  supergroup: "supergroup",
  permissions: true,
  safeMode: false,
  replication: 3,
  maxReplication: 512,
  blockSize: 128 * 1024 * 1024,
  minBlockSize: 1024 * 1024,
  inlineMaxBytes: 64 * 1024,
  leaseSoftMs: 60_000,
  leaseHardMs: 20 * 60_000,
  trashIntervalMs: 0,
  maxDirectoryEntries: 1_048_576,
  maxSnapshots: 65_536,
  maxAttributes: 32,
  maxAttributeBytes: 16_384,
  decommissioning: [],
  inMaintenance: [],
};

/** Whole numbers: least and greatest. */
const RANGES: { readonly [Name in keyof NamespaceSettings]?: readonly [number, number] } = {
  replication: [1, 512],
  maxReplication: [1, 512],
  blockSize: [512, 2 ** 40],
  minBlockSize: [512, 2 ** 40],
  inlineMaxBytes: [0, 1024 * 1024],
  leaseSoftMs: [1, 2 ** 40],
  leaseHardMs: [1, 2 ** 40],
  trashIntervalMs: [0, 2 ** 40],
  maxDirectoryEntries: [1, 6_400_000],
  maxSnapshots: [0, 65_536],
  maxAttributes: [0, 1024],
  maxAttributeBytes: [1, 1024 * 1024],
};

/** Nodes that are decommissioned or in maintenance. */
const NODES_MAX = 10_000;

/** Throws Refusal ARGUMENT_INVALID. */
export function changedSettings(
  settings: NamespaceSettings,
  change: Partial<NamespaceSettings>,
): NamespaceSettings {
  const next = { ...settings, ...withoutUndefined(change) };
  for (const [name, [min, max]] of Object.entries(RANGES)) {
    const value = next[name as keyof NamespaceSettings];
    if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
      throw new Refusal("ARGUMENT_INVALID", `${name} must be a whole number from ${min} to ${max}`);
    }
  }
  if (next.blockSize % 512 !== 0 || next.blockSize < next.minBlockSize) {
    throw new Refusal("ARGUMENT_INVALID", "blockSize must be a multiple of 512, and at least minBlockSize");
  }
  if (next.replication > next.maxReplication) {
    throw new Refusal("ARGUMENT_INVALID", "replication must be at most maxReplication");
  }
  const both = next.decommissioning.find((node) => next.inMaintenance.includes(node));
  if (both !== undefined) {
    throw new Refusal("ARGUMENT_INVALID", `${both} cannot be decommissioned and in maintenance at once`);
  }
  if (next.decommissioning.length + next.inMaintenance.length > NODES_MAX) {
    throw new Refusal("ARGUMENT_INVALID", `at most ${NODES_MAX} nodes can be on their way out`);
  }
  if (next.leaseHardMs < next.leaseSoftMs) {
    throw new Refusal("ARGUMENT_INVALID", "leaseHardMs must be at least leaseSoftMs");
  }
  return next;
}

export function settingsDigest(seed: number, settings: NamespaceSettings): number {
  return Object.values(settings).reduce<number>((hash, value) => hashText(hash, String(value)), seed);
}

function withoutUndefined<T extends object>(change: T): Partial<T> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as Partial<T>;
}
