/** The namespace against the simplest thing that could be meant: a map of paths, copied whole for each snapshot. */
import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { Chunk } from "./chunk.ts";
import type { NamespaceCommand } from "./commands.ts";
import type { NamespaceMachine } from "./machine.ts";
import { createNamespace } from "./machine.ts";
import { ROOT, SMALL } from "./namespace.testing.ts";
import { Refusal } from "./replies.ts";
import { Tree as Inodes } from "./tree.ts";

/** Paths to contents; undefined is a directory. The root is "". */
type Tree = Map<string, string | undefined>;

const REFUSED = "refused";

class Model {
  tree: Tree = new Map([["", undefined]]);
  snapshots = new Map<string, Tree>();

  isDirectory(path: string): boolean {
    return this.tree.has(path) && this.tree.get(path) === undefined;
  }

  isFile(path: string): boolean {
    return this.tree.get(path) !== undefined;
  }

  below(path: string): string[] {
    return [...this.tree.keys()].filter((each) => each.startsWith(`${path}/`));
  }

  /** A file where a directory should be. */
  blocked(path: string): boolean {
    return ancestors(path).some((each) => this.isFile(each));
  }

  makeParents(path: string): void {
    for (const each of ancestors(path)) if (!this.tree.has(each)) this.tree.set(each, undefined);
  }

  mkdir(path: string, parents: boolean): unknown {
    if (this.blocked(path) || this.isFile(path)) return REFUSED;
    if (this.tree.has(path)) return false;
    if (!parents && !this.tree.has(parentOf(path))) return REFUSED;
    this.makeParents(path);
    this.tree.set(path, undefined);
    return true;
  }

  put(path: string, content: string, parents: boolean, replace: boolean): unknown {
    if (this.blocked(path) || this.isDirectory(path)) return REFUSED;
    if (this.isFile(path) && !replace) return REFUSED;
    if (!parents && !this.tree.has(parentOf(path))) return REFUSED;
    this.makeParents(path);
    this.tree.set(path, content);
    return "file";
  }

  change(path: string, next: (content: string) => string | undefined): unknown {
    const content = this.tree.get(path);
    if (this.blocked(path) || content === undefined) return REFUSED;
    const changed = next(content);
    if (changed === undefined) return REFUSED;
    this.tree.set(path, changed);
    return "changed";
  }

  delete(path: string, recursive: boolean): unknown {
    if (this.blocked(path)) return REFUSED;
    if (!this.tree.has(path)) return false;
    if (this.below(path).length > 0 && !recursive) return REFUSED;
    if (this.holdsSnapshots(path)) return REFUSED;
    for (const each of [path, ...this.below(path)]) this.tree.delete(each);
    return true;
  }

  /** All snapshots are of /a. */
  holdsSnapshots(path: string): boolean {
    return path === "/a" && this.snapshots.size > 0;
  }

  move(from: string, to: string): void {
    for (const each of [from, ...this.below(from)]) {
      this.tree.set(to + each.slice(from.length), this.tree.get(each));
      this.tree.delete(each);
    }
  }

  rename(from: string, to: string): unknown {
    if (this.blocked(from) || this.blocked(to))
      return this.blocked(from) || this.tree.has(from) ? REFUSED : false;
    if (!this.tree.has(from)) return false;
    if (from === to) return true;
    const target = this.isDirectory(to) ? to + from.slice(from.lastIndexOf("/")) : to;
    if (target === from) return true;
    if (this.tree.has(target) || !this.tree.has(parentOf(target))) return false;
    if (`${target}/`.startsWith(`${from}/`)) return false;
    if (this.holdsSnapshots(from)) return REFUSED;
    this.move(from, target);
    return true;
  }

  renameTo(from: string, to: string, overwrite: boolean): unknown {
    if (this.blocked(from) || this.blocked(to) || !this.tree.has(from) || from === to) return REFUSED;
    if (`${to}/`.startsWith(`${from}/`) || !this.tree.has(parentOf(to))) return REFUSED;
    if (this.tree.has(to)) {
      if (!overwrite || this.isFile(from) !== this.isFile(to) || this.below(to).length > 0) return REFUSED;
      if (this.holdsSnapshots(to)) return REFUSED;
    }
    if (this.holdsSnapshots(from)) return REFUSED;
    this.tree.delete(to);
    this.move(from, to);
    return "moved";
  }

  publish(moves: readonly { from: string; to: string }[], overwrite: boolean, parents: boolean): unknown {
    const before = new Map(this.tree);
    for (const { from, to } of moves) {
      if (parents && !this.blocked(to)) this.makeParents(to);
      if (this.renameTo(from, to, overwrite) !== REFUSED) continue;
      this.tree = before;
      return REFUSED;
    }
    return "moved";
  }

  /** The first directory at /a may have snapshots, for as long as it is there. */
  snapshot(name: string, allowed: boolean): unknown {
    if (!allowed || this.snapshots.has(name)) return REFUSED;
    this.snapshots.set(name, new Map([...this.tree].filter(([path]) => `${path}/`.startsWith("/a/"))));
    return `/a/.snapshot/${name}`;
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function ancestors(path: string): string[] {
  const names = path.split("/");
  return names.slice(1).map((_, at) => names.slice(0, at + 1).join("/"));
}

/** Everything below a path as the machine has it, keyed as the model's. */
function dump(machine: NamespaceMachine, path: string, as: string, into: Tree): void {
  into.set(as, undefined);
  for (const { type, path: at } of machine.list(path === "" ? "/" : path, ROOT, "", 1000).entries) {
    const key = `${as}${at.slice(at.lastIndexOf("/"))}`;
    if (type === "directory") dump(machine, at, key, into);
    else {
      const { segments } = machine.segments(at, ROOT, 0, 1e9);
      into.set(key, segments.map((each) => (each.type === "inline" ? each.content : "?")).join(""));
    }
  }
}

const name = fc.constantFrom("a", "b", "c");
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => `/${names.join("/")}`);
const content = fc.string({ maxLength: 9, unit: "binary-ascii" });
const snapshot = fc.constantFrom("s1", "s2");
const onPath = { caller: fc.constant(ROOT), path };
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("mkdir" as const),
      ...onPath,
      mode: fc.constant(0o755),
      unmaskedMode: fc.constant(undefined),
      createParents: fc.boolean(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant("put" as const),
      ...onPath,
      content,
      mode: fc.constant(0o644),
      unmaskedMode: fc.constant(undefined),
      replication: fc.constant(undefined),
      blockSize: fc.constant(undefined),
      createParents: fc.boolean(),
      existing: fc.constantFrom("refuse" as const, "replace" as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("appendInline" as const), ...onPath, content }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant("truncate" as const), ...onPath, length: fc.nat(9) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ type: fc.constant("delete" as const), ...onPath, recursive: fc.boolean() }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("rename" as const),
      caller: fc.constant(ROOT),
      from: path,
      to: path,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("renameTo" as const),
      caller: fc.constant(ROOT),
      from: path,
      to: path,
      overwrite: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("publish" as const),
      caller: fc.constant(ROOT),
      expected: fc.constant([]),
      moves: fc.array(fc.record({ from: path, to: path }), { maxLength: 4 }),
      overwrite: fc.boolean(),
      createParents: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("createSnapshot" as const),
      caller: fc.constant(ROOT),
      path: fc.constant("/a"),
      name: snapshot,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("deleteSnapshot" as const),
      caller: fc.constant(ROOT),
      path: fc.constant("/a"),
      name: snapshot,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant("reclaim" as const), limit: fc.integer({ min: 1, max: 5 }) }),
  },
);

function expected(model: Model, command: NamespaceCommand, allowed: boolean): unknown {
  switch (command.type) {
    case "mkdir":
      return model.mkdir(command.path, command.createParents);
    case "put":
      return model.put(command.path, command.content, command.createParents, command.existing === "replace");
    case "appendInline":
      return model.change(command.path, (old) =>
        old.length + command.content.length > 16 ? undefined : old + command.content,
      );
    case "truncate":
      return model.change(command.path, (old) =>
        command.length > old.length ? undefined : old.slice(0, command.length),
      );
    case "delete":
      return model.delete(command.path, command.recursive);
    case "rename":
      return model.rename(command.from, command.to);
    case "renameTo":
      return model.renameTo(command.from, command.to, command.overwrite);
    case "publish":
      return model.publish(command.moves, command.overwrite, command.createParents);
    case "createSnapshot":
      return model.snapshot(command.name!, allowed);
    case "deleteSnapshot":
      return model.snapshots.delete(command.name) ? "deleted" : REFUSED;
    default:
      return undefined;
  }
}

const agreement = fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
  const machine = createNamespace(SMALL);
  const model = new Model();
  const at = { timeMs: 1_750_000_000_000 };
  for (const command of steps) {
    // Snapshots are of whatever directory is at /a, from when it is first seen.
    if (model.isDirectory("/a") && !machine.status("/a", ROOT).snapshottable) {
      const allowed = machine.apply({ type: "allowSnapshots", caller: ROOT, path: "/a", allowed: true }, at);
      // Another that was moved away from here, and is above or below, forbids it.
      if (allowed instanceof Refusal) expect(machine.snapshottable(ROOT)).not.toEqual([]);
    }
    const allowed = model.isDirectory("/a") && machine.status("/a", ROOT).snapshottable;
    const wanted = expected(model, command, allowed);
    const reply = machine.apply(command, at);
    // Directories that allow snapshots do not come to lie in one another: the one thing that the map knows nothing of.
    if (wanted !== REFUSED && reply instanceof Refusal && reply.message.includes("cannot be moved below"))
      return;
    const context = `${JSON.stringify(command)} -> ${JSON.stringify(reply)}`;
    expect(reply instanceof Refusal, context).toBe(wanted === REFUSED);
    if (typeof wanted === "boolean" || typeof reply === "boolean") {
      if (command.type !== "truncate") expect(reply, context).toBe(wanted);
    }
    const tree: Tree = new Map();
    dump(machine, "", "", tree);
    expect([...tree].toSorted(byPath), context).toEqual([...model.tree].toSorted(byPath));
    for (const [name, old] of model.snapshots) {
      const seen: Tree = new Map();
      dump(machine, `/a/.snapshot/${name}`, "/a", seen);
      expect([...seen].toSorted(byPath), context).toEqual([...old].toSorted(byPath));
    }
    const { files, directories, length } = machine.contentSummary("/", ROOT);
    const contents = [...model.tree.values()].filter((each) => each !== undefined);
    expect({ files, directories, length }).toEqual({
      files: contents.length,
      directories: model.tree.size - contents.length,
      length: contents.reduce((sum, each) => sum + each.length, 0),
    });
  }
});

afterEach(() => void vi.restoreAllMocks());

test("names, contents, renames and snapshots are as in a map of paths that is copied whole", () => {
  fc.assert(agreement, { numRuns: 300 });
});

test("a namespace whose snapshots change with the present is found out", () => {
  vi.spyOn(Chunk.prototype, "copy").mockImplementation(function (this: Chunk) {
    return this;
  });
  expect(fc.check(agreement, { numRuns: 3000, endOnFailure: true }).failed).toBe(true);
});

test("a publish that keeps what it did before it failed is found out", () => {
  vi.spyOn(Inodes.prototype, "atomically").mockImplementation((change) => change());
  expect(fc.check(agreement, { numRuns: 3000, endOnFailure: true }).failed).toBe(true);
});

function byPath([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
