import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { BlockTable } from "./block-table.ts";
import { Chunk } from "./chunk.ts";
import { encodeCommand } from "./command-codec.ts";
import type { NamespaceCommand, WrittenBlock } from "./commands.ts";
import type { NamespaceMachine } from "./machine.ts";
import { createNamespace } from "./machine.ts";
import { drained, ROOT, SMALL } from "./namespace.testing.ts";
import type { Opened } from "./replies.ts";
import { Refusal } from "./replies.ts";
import type { NamespaceCut } from "./snapshot-cut.ts";
import { FIRST_BLOCK_ID, FIRST_STAMP, ROOT_ID } from "./state.ts";

const CELL = 1024 * 1024;
const name = fc.constantFrom("a", "b", "c", "d", "ü", "a-longer-name-than-thirteen");
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => `/${names.join("/")}`);
const caller = fc.constantFrom(ROOT, ROOT, ROOT, { user: "ann", groups: ["staff"] });
const content = fc
  .string({ unit: "binary", maxLength: 16 })
  .map((text) => text.replaceAll(/[^\0-\xff]/g, "x"));
const small = fc.integer({ min: 0, max: 20 });
const snapshot = fc.constantFrom("s1", "s2", "s3");
const file = small.map((n) => ROOT_ID + 1 + n);
const block = small.map((n) => FIRST_BLOCK_ID + n);
const stamp = small.map((n) => FIRST_STAMP + n);
const length = fc.constantFrom(0, 5, 16, 100, 1024);
const holder = fc.constantFrom("w1", "w2");
const written: fc.Arbitrary<WrittenBlock> = fc.record({ id: block, stamp, length });
const newFile = {
  mode: fc.constantFrom(0o644, 0o600, 0o777),
  unmaskedMode: fc.constantFrom(undefined, 0o666),
  replication: fc.constantFrom(undefined, 1, 3),
  // A coded file takes no blocks that are smaller than a cell.
  blockSize: fc.constantFrom(undefined, undefined, CELL),
  createParents: fc.constantFrom(true, true, false),
  existing: fc.constantFrom("refuse" as const, "replace" as const),
};
const onPath = { caller, path };
const pipeline = fc.constantFrom<string[][]>(["n1", "n2"], ["n3"], ["n1", "n2", "n1", "n2", "n3"]);

const entry = fc.record({
  isDefault: fc.boolean(),
  type: fc.constantFrom("user" as const, "group" as const),
  name: fc.constantFrom("", "ann"),
  permission: fc.integer({ min: 0, max: 7 }),
});

function typed<T extends NamespaceCommand["type"], R>(
  type: T,
  fields: { [K in keyof R]: fc.Arbitrary<R[K]> },
) {
  return fc.record({ type: fc.constant(type), ...fields }) as unknown as fc.Arbitrary<NamespaceCommand>;
}

/** Writers that know what they do follow below; these stumble about. */
const command: fc.Arbitrary<NamespaceCommand> = fc.oneof(
  {
    weight: 6,
    arbitrary: typed("mkdir", {
      ...onPath,
      mode: fc.constant(0o755),
      unmaskedMode: fc.constant(undefined),
      createParents: fc.boolean(),
    }),
  },
  { weight: 10, arbitrary: typed("put", { ...onPath, ...newFile, content }) },
  { weight: 4, arbitrary: typed("appendInline", { ...onPath, content }) },
  { weight: 2, arbitrary: typed("symlink", { ...onPath, target: path, createParents: fc.constant(true) }) },
  { weight: 5, arbitrary: typed("rename", { caller, from: path, to: path }) },
  { weight: 5, arbitrary: typed("renameTo", { caller, from: path, to: path, overwrite: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: typed("publish", {
      caller,
      expected: fc.array(
        fc.record({ path, id: fc.option(file, { nil: undefined }), revision: fc.constant(undefined) }),
        { maxLength: 1 },
      ),
      moves: fc.array(fc.record({ from: path, to: path }), { maxLength: 4 }),
      overwrite: fc.boolean(),
      createParents: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: typed("delete", { ...onPath, recursive: fc.constantFrom(true, true, false) }) },
  { weight: 2, arbitrary: typed("trash", onPath) },
  { weight: 1, arbitrary: typed("expunge", { caller, olderThanMs: fc.constantFrom(0, 5000) }) },
  { weight: 1, arbitrary: typed("emptyTrash", {}) },
  { weight: 2, arbitrary: typed("setMode", { ...onPath, mode: fc.constantFrom(0o755, 0o1777, 0o700) }) },
  {
    weight: 1,
    arbitrary: typed("setOwner", {
      ...onPath,
      owner: fc.constantFrom("ann", undefined),
      group: fc.constantFrom("staff", undefined),
    }),
  },
  {
    weight: 1,
    arbitrary: typed("setTimes", {
      ...onPath,
      modifiedMs: fc.constantFrom(undefined, 5),
      accessedMs: fc.constantFrom(undefined, 6),
    }),
  },
  {
    weight: 2,
    arbitrary: typed("setReplication", { ...onPath, replication: fc.integer({ min: 0, max: 4 }) }),
  },
  {
    weight: 2,
    arbitrary: typed("setQuota", {
      ...onPath,
      names: fc.constantFrom(undefined, -1, 5),
      space: fc.constantFrom(undefined, -1, 6000),
    }),
  },
  {
    weight: 2,
    arbitrary: typed("setAcl", {
      ...onPath,
      change: fc.constantFrom("modify", "remove", "removeAll", "removeDefault"),
      entries: fc.array(entry, { maxLength: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: typed("setAttribute", {
      ...onPath,
      name: fc.constantFrom("user.a", "trusted.b"),
      value: content,
      mode: fc.constant("either"),
    }),
  },
  {
    weight: 1,
    arbitrary: typed("removeAttribute", { ...onPath, name: fc.constantFrom("user.a", "trusted.b") }),
  },
  {
    weight: 1,
    arbitrary: typed("setPolicy", {
      ...onPath,
      policy: fc.constant("storage"),
      value: fc.constantFrom("COLD", undefined),
    }),
  },
  {
    weight: 3,
    arbitrary: typed("setPolicy", {
      ...onPath,
      policy: fc.constant("erasureCoding"),
      value: fc.constantFrom("RS-3-2-1024k", "RS-3-2-1024k", "replication", "RS-1-1", undefined),
    }),
  },
  {
    weight: 3,
    arbitrary: typed("concat", { ...onPath, sources: fc.array(path, { minLength: 1, maxLength: 2 }) }),
  },
  { weight: 5, arbitrary: typed("truncate", { ...onPath, length }) },
  { weight: 5, arbitrary: typed("create", { ...onPath, ...newFile, holder }) },
  { weight: 4, arbitrary: typed("append", { ...onPath, holder, pipeline }) },
  {
    weight: 4,
    arbitrary: typed("addBlock", {
      file,
      holder,
      previous: fc.option(written, { nil: undefined }),
      pipeline,
    }),
  },
  { weight: 2, arbitrary: typed("abandonBlock", { file, holder, block }) },
  { weight: 2, arbitrary: typed("updatePipeline", { file, holder, block: written, pipeline }) },
  { weight: 2, arbitrary: typed("complete", { file, holder, last: fc.option(written, { nil: undefined }) }) },
  { weight: 2, arbitrary: typed("abandon", { file, holder, length: fc.option(length, { nil: undefined }) }) },
  { weight: 1, arbitrary: typed("renewLease", { holder }) },
  {
    weight: 1,
    arbitrary: typed("found", {
      key: fc.constantFrom("0f".repeat(32), "1e".repeat(32), "short"),
      settings: fc.constantFrom({}, { replication: 1 }, { blockSize: 1000 }),
    }),
  },
  {
    weight: 3,
    arbitrary: typed("recoverLease", {
      ...onPath,
      holder: fc.constantFrom("w1", undefined),
      force: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: typed("finishRecovery", { file, block, stamp, length: fc.option(length, { nil: undefined }) }),
  },
  {
    weight: 3,
    arbitrary: typed("allowSnapshots", { ...onPath, allowed: fc.constantFrom(true, true, true, false) }),
  },
  { weight: 6, arbitrary: typed("createSnapshot", { ...onPath, name: snapshot }) },
  { weight: 1, arbitrary: typed("renameSnapshot", { ...onPath, name: snapshot, to: snapshot }) },
  { weight: 4, arbitrary: typed("deleteSnapshot", { ...onPath, name: snapshot }) },
  {
    weight: 1,
    arbitrary: typed("configure", {
      caller,
      settings: fc.constantFrom(
        { safeMode: false },
        { inlineMaxBytes: 30 },
        { inlineMaxBytes: 16 },
        { blockSize: 1000 },
        { decommissioning: ["n1"] },
        { inMaintenance: ["n1", "n2"] },
        { decommissioning: [] },
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: typed("setStanding", {
      caller,
      node: fc.constantFrom("n1", "n2", "not a name"),
      standing: fc.constantFrom("inService", "decommissioning", "inMaintenance"),
    }),
  },
  { weight: 1, arbitrary: typed("expireLeases", { limit: fc.constant(2) }) },
  {
    weight: 1,
    arbitrary: typed("endLeases", {
      holders: fc.constantFrom(["w1"], ["w2", ""], []),
      silentMs: fc.constantFrom(0, 10_000),
    }),
  },
  { weight: 8, arbitrary: typed("reclaim", { limit: fc.integer({ min: 1, max: 4 }) }) },
);

/** A writer that gets somewhere, or the leader's end of a recovery: made from the state as it is then. */
type Move = "write" | "finish";
type Step = { readonly command: NamespaceCommand | Move; readonly path: string; readonly passMs: number };
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    command: fc.oneof(
      { weight: 6, arbitrary: command as fc.Arbitrary<NamespaceCommand | Move> },
      { weight: 2, arbitrary: fc.constantFrom<Move[]>("write", "write", "finish") },
    ),
    path,
    passMs: fc.constantFrom(0, 1, 1, 5, 12_000, 130_000),
  }),
  { minLength: 1, maxLength: 120, size: "max" },
);

interface Applied {
  readonly command: NamespaceCommand;
  readonly timeMs: number;
}

/** The commands of a step, as a client or the leader would form them after the replies so far. */
function* commandsOf(
  { command: wanted, path: at }: Step,
  machine: NamespaceMachine,
): Generator<NamespaceCommand, void, unknown> {
  if (wanted === "write") {
    const made: unknown = yield {
      type: "create",
      caller: ROOT,
      path: at,
      mode: 0o644,
      unmaskedMode: undefined,
      replication: undefined,
      blockSize: at.includes("c") ? CELL : undefined,
      createParents: true,
      existing: "replace",
      holder: "w3",
    };
    if (made instanceof Refusal) return;
    const { id } = (made as Opened).status;
    let previous: WrittenBlock | undefined;
    for (const bytes of [1024, 70]) {
      const nodes = ["n1", "n2", "n3"];
      const added = yield { type: "addBlock", file: id, holder: "w3", previous, pipeline: nodes };
      if (added instanceof Refusal) return;
      previous = { ...(added as { block: WrittenBlock }).block, length: bytes };
    }
    yield { type: "complete", file: id, holder: "w3", last: previous };
  } else if (wanted === "finish") {
    const open = [...machine.openFiles()].find(({ recovery }) => recovery !== undefined);
    if (open?.recovery === undefined) return;
    const { block: last, stamp: by, truncateTo } = open.recovery;
    yield {
      type: "finishRecovery",
      file: open.id,
      block: last.id,
      stamp: by,
      length: truncateTo ?? last.length,
    };
  } else {
    yield wanted;
  }
}

/** Applies everything to a replica that takes a snapshot midway, and to one that only follows; then to one restored from it. */
function replay(all: readonly Step[], cutAt: number, maxBytes: number): void {
  const first = createNamespace(SMALL);
  const second = createNamespace(SMALL);
  let cut: NamespaceCut | undefined;
  let cutDigest = 0;
  const chunks: Bytes[] = [];
  const missed: (Applied & { readonly reply: unknown })[] = [];
  let timeMs = 1_750_000_000_000;
  for (const [index, step] of all.entries()) {
    timeMs += step.passMs;
    if (index === cutAt) {
      cutDigest = first.digest();
      cut = first.snapshot();
    }
    const forming = commandsOf(step, first);
    for (let next = forming.next(); next.done !== true;) {
      const reply = first.apply(next.value, { timeMs });
      const mirrored = second.apply(second.decode(encodeCommand(next.value)), { timeMs });
      expect(mirrored).toEqual(reply);
      if (reply instanceof Refusal) expect(reply.message.length).toBeGreaterThan(0);
      expect(second.digest()).toBe(first.digest());
      if (cut !== undefined) missed.push({ command: next.value, timeMs, reply });
      next = forming.next(reply);
    }
    const piece = index % 3 === 0 ? cut?.next(maxBytes) : undefined;
    if (piece !== undefined) chunks.push(piece);
  }
  // Whatever was not counted right as held would now be a block too many or too few.
  const whole = createNamespace();
  whole.restore(drained(second.snapshot(), 1000));
  expect(whole.digest()).toBe(second.digest());
  if (cut === undefined) return;
  const restored = createNamespace();
  restored.restore([...chunks, ...drained(cut, maxBytes)]);
  expect(restored.digest()).toBe(cutDigest);
  for (const { command: each, timeMs: at, reply } of missed)
    expect(restored.apply(each, { timeMs: at })).toEqual(reply);
  expect(restored.digest()).toBe(first.digest());
  expect(restored.statistics()).toEqual(first.statistics());
}

const runs = fc.property(steps, fc.nat(110), fc.integer({ min: 1, max: 400 }), replay);

afterEach(() => void vi.restoreAllMocks());

test("replicas agree in replies and digests, also one that was restored from a snapshot taken while commands were applied", () => {
  fc.assert(runs, { numRuns: 400 });
});

test("a tree that forgets to copy what a snapshot shares is found out", () => {
  vi.spyOn(Chunk.prototype, "copy").mockImplementation(function (this: Chunk) {
    return this;
  });
  expect(fc.check(runs, { numRuns: 3000, endOnFailure: true }).failed).toBe(true);
});

test("blocks that are not counted once more when a file is copied for its snapshot are found out", () => {
  const onD = { caller: ROOT, path: "/d" };
  const commands: (NamespaceCommand | Move)[] = [
    { type: "mkdir", ...onD, mode: 0o755, unmaskedMode: undefined, createParents: true },
    { type: "allowSnapshots", ...onD, allowed: true },
    "write",
    { type: "createSnapshot", ...onD, name: "s1" },
    { type: "setMode", caller: ROOT, path: "/d/f", mode: 0o600 },
    { type: "delete", caller: ROOT, path: "/d/f", recursive: true },
    { type: "reclaim", limit: 10 },
  ];
  const all = commands.map((each) => ({ command: each, path: "/d/f", passMs: 1 }));
  replay(all, 200, 100);
  vi.spyOn(BlockTable.prototype, "hold").mockImplementation(() => undefined);
  expect(() => replay(all, 200, 100)).toThrow(/a block that is named and not there/);
});

test("a cut that does not keep the blocks of its time is found out", () => {
  vi.spyOn(BlockTable.prototype, "inCut").mockImplementation(function (this: BlockTable, id: number) {
    return this.of(id);
  });
  expect(fc.check(runs, { numRuns: 3000, endOnFailure: true }).failed).toBe(true);
});

test("a command survives the log as it is", () => {
  fc.assert(
    fc.property(command, (each) => {
      const decoded = createNamespace().decode(encodeCommand(each));
      expect(JSON.parse(JSON.stringify(decoded))).toEqual(JSON.parse(JSON.stringify(each)));
    }),
    { numRuns: 2000 },
  );
});

test("a snapshot that is cut short or damaged is refused, never half believed", () => {
  const machine = createNamespace(SMALL);
  const at = { timeMs: 1_750_000_000_000 };
  const newly = {
    mode: 0o644,
    unmaskedMode: undefined,
    replication: undefined,
    blockSize: undefined,
    createParents: true,
    existing: "refuse",
  } as const;
  for (let n = 0; n < 20; n++) {
    machine.apply(
      { type: "put", caller: ROOT, path: `/d${n % 3}/f${n}`, ...newly, content: "v".repeat(n % 16) },
      at,
    );
  }
  const [whole] = drained(machine.snapshot(), 1 << 20);
  for (let cutAt = 0; cutAt < whole!.length; cutAt += 7) {
    expect(() => createNamespace().restore([whole!.subarray(0, cutAt)]), `cut at ${cutAt}`).toThrow(
      /snapshot/,
    );
  }
  let accepted = 0;
  for (let offset = 0; offset < whole!.length; offset += 5) {
    whole![offset]! ^= 0x15;
    try {
      createNamespace().restore([whole!]);
      accepted++;
    } catch (error) {
      expect(String(error)).toMatch(/snapshot/);
    }
    whole![offset]! ^= 0x15;
  }
  // Only the log time is not covered by the digest: the file's checksum is.
  expect(accepted).toBeLessThanOrEqual(2);
});
