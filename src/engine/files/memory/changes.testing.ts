/** Every `Change` of the door, carried out at once on the in-memory tree. */
import type { Change } from "../file-system.ts";
import { checkLinkTarget, checkTargets } from "../namespace/admission.ts";
import type { CommandOf, CommandType } from "../namespace/commands.ts";
import { erasurePolicy } from "../namespace/erasure-policy.ts";
import type { Caller, FileStatus } from "../namespace/model.ts";
import type { Replies } from "../namespace/replies.ts";
import { Refusal } from "../namespace/replies.ts";
import { changeAcl } from "./acl.testing.ts";
import type { Inode, Place, Tree } from "./tree.testing.ts";
import { frozenCopy, refuse } from "./tree.testing.ts";

export class Changes {
  private readonly tree: Tree;
  private readonly now: () => number;
  private lastSnapshot = 0;

  constructor(tree: Tree, now: () => number) {
    this.tree = tree;
    this.now = now;
  }

  apply<C extends Change>(command: C): Replies[C["type"]] {
    const isOperators = command.type === "configure" || command.type === "setStanding";
    if (this.tree.settings.safeMode && !isOperators)
      refuse("SAFE_MODE", `Cannot ${command.type}. Name node is in safe mode.`);
    this.admit(command);
    return this.run(command) as Replies[C["type"]];
  }

  /** As a node does before its log. */
  private admit(command: Change): void {
    if (command.type === "symlink") checkLinkTarget(command.target);
    if (command.type !== "publish" || !command.overwrite) return;
    const status = (path: string, caller: Caller, followLast?: boolean): FileStatus => {
      const { node, path: place } = this.tree.locate(path, caller, followLast);
      if (node === undefined) throw new Refusal("PATH_NOT_FOUND", path);
      return this.tree.status(node, place);
    };
    checkTargets({ status }, command.caller, command.moves);
  }

  private run(command: Change): Replies[CommandType] {
    switch (command.type) {
      case "mkdir":
        return this.mkdir(command);
      case "symlink":
        return this.symlink(command);
      case "rename":
        return this.rename(command);
      case "renameTo":
        return this.renameTo(command, command.overwrite);
      case "publish":
        return this.publish(command);
      case "delete":
        return this.remove(command);
      case "trash":
        return this.trash(command);
      case "expunge":
        return this.expunge(command);
      case "concat":
        return this.concat(command);
      case "truncate":
        return this.truncate(command);
      case "recoverLease": {
        const { node } = this.tree.find(command.path, command.caller);
        node.writer = undefined;
        return { file: node.id, closed: true, recovery: undefined };
      }
      case "configure":
        if (!this.tree.isSuperuser(command.caller))
          refuse("ACCESS_DENIED", "Superuser privilege is required");
        this.tree.settings = { ...this.tree.settings, ...command.settings };
        return undefined;
      case "setStanding": {
        if (!this.tree.isSuperuser(command.caller))
          refuse("ACCESS_DENIED", "Superuser privilege is required");
        const { decommissioning, inMaintenance } = this.tree.settings;
        const others = (nodes: readonly string[]): string[] => nodes.filter((each) => each !== command.node);
        const added = (standing: string): string[] => (command.standing === standing ? [command.node] : []);
        this.tree.settings = {
          ...this.tree.settings,
          decommissioning: [...others(decommissioning), ...added("decommissioning")],
          inMaintenance: [...others(inMaintenance), ...added("inMaintenance")],
        };
        return undefined;
      }
      case "allowSnapshots":
      case "createSnapshot":
      case "renameSnapshot":
      case "deleteSnapshot":
        return this.changeSnapshots(command);
      default:
        return this.setAttributes(command);
    }
  }

  private mkdir({ path, caller, mode, createParents }: CommandOf<"mkdir">): boolean {
    if (createParents) this.tree.makeParents(path, caller, mode | 0o300);
    const place = this.tree.locate(path, caller);
    if (place.node !== undefined) {
      if (place.node.type === "directory") return false;
      refuse("PATH_EXISTS", `${path} already exists as a file`);
    }
    const parent = this.tree.writable(place, caller);
    this.tree.insert(place, parent, this.tree.inode("directory", caller.user, parent.group, mode));
    return true;
  }

  private symlink({ path, caller, target, createParents }: CommandOf<"symlink">): Replies["symlink"] {
    if (createParents) this.tree.makeParents(path, caller, 0o755);
    const place = this.tree.locate(path, caller, false);
    if (place.node !== undefined) refuse("PATH_EXISTS", `${path} already exists`);
    const parent = this.tree.writable(place, caller);
    const node = this.tree.inode("link", caller.user, parent.group, 0o777, target);
    this.tree.insert(place, parent, node);
    return this.tree.status(node, place.path);
  }

  private rename({ from, to, caller }: CommandOf<"rename">): boolean {
    const source = this.tree.locate(from, caller, false);
    if (source.node === undefined || source.parent === undefined) return false;
    let target = this.tree.locate(to, caller, false);
    if (target.path === source.path) return true;
    if (target.node?.type === "directory")
      target = this.tree.locate(`${target.path === "/" ? "" : target.path}/${source.name}`, caller, false);
    if (target.node !== undefined || target.parent?.type !== "directory") return false;
    if (`${target.path}/`.startsWith(`${source.path}/`)) return false;
    this.move(source, target, caller);
    return true;
  }

  private renameTo(
    { from, to, caller }: { from: string; to: string; caller: Caller },
    overwrite: boolean,
  ): undefined {
    const source = this.tree.find(from, caller, false);
    const target = this.tree.locate(to, caller, false);
    if (source.parent === undefined) refuse("FILE_OPERATION_REFUSED", "The root cannot be renamed");
    if (target.path === source.path)
      refuse("PATH_EXISTS", `The source ${from} and destination ${to} are the same`);
    if (`${target.path}/`.startsWith(`${source.path}/`))
      refuse(
        "FILE_OPERATION_REFUSED",
        `Rename destination ${to} is a directory or file under source ${from}`,
      );
    if (target.node !== undefined) {
      if (!overwrite) refuse("PATH_EXISTS", `rename destination ${to} already exists`);
      const [isFrom, isTo] = [source.node.type === "directory", target.node.type === "directory"];
      if (isFrom !== isTo)
        refuse("PATH_EXISTS", `Source ${from} and destination ${to} must both be directories`);
      if (target.node.children.size > 0)
        refuse("DIRECTORY_NOT_EMPTY", `rename destination directory is not empty: ${to}`);
    }
    this.move(source, target, caller);
  }

  private move(source: Place, target: Place, caller: Caller): void {
    const { node } = source;
    const from = this.tree.writable(source, caller);
    const to = this.tree.writable(target, caller);
    if (node === undefined) return;
    this.unsnapshotted(node, source.path);
    from.children.delete(source.name);
    try {
      this.tree.insert(target, to, node);
    } catch (error) {
      from.children.set(source.name, node);
      throw error;
    }
    this.tree.touch(from);
  }

  /** A copy of the tree is changed and takes the old one's place only when all went well. */
  private publish({ caller, expected, moves, overwrite, createParents }: CommandOf<"publish">): undefined {
    const before = this.tree.root;
    for (const { path, id, revision } of expected) {
      const { node } = this.tree.locate(path, caller, false);
      if (node?.id !== id || (revision !== undefined && node?.revision !== revision))
        refuse("CHANGED_MEANWHILE", `${path} is not as expected`);
    }
    this.tree.root = frozenCopy(before);
    try {
      for (const { from, to } of moves) {
        if (createParents) this.tree.makeParents(to, caller, 0o755);
        this.renameTo({ from, to, caller }, overwrite);
      }
    } catch (error) {
      this.tree.root = before;
      throw error;
    }
  }

  private remove({ path, caller, recursive }: CommandOf<"delete">): boolean {
    const place = this.tree.locate(path, caller, false);
    if (place.node === undefined) return false;
    if (place.parent === undefined) return false;
    const parent = this.tree.writable(place, caller);
    if (place.node.children.size > 0 && !recursive)
      refuse("DIRECTORY_NOT_EMPTY", `${path} is non empty': Directory is not empty`);
    this.unsnapshotted(place.node, path);
    this.allowRemoval(place.node, caller, path);
    parent.children.delete(place.name);
    this.tree.touch(parent);
    return true;
  }

  private allowRemoval(node: Inode, caller: Caller, path: string): void {
    if (node.children.size === 0) return;
    this.tree.allow(node, caller, 7, path);
    for (const [name, child] of node.children) this.allowRemoval(child, caller, `${path}/${name}`);
  }

  private unsnapshotted(node: Inode, path: string): void {
    if (node.snapshots.size > 0) refuse("SNAPSHOT_REFUSED", `The directory ${path} has snapshots`);
    for (const [name, child] of node.children) this.unsnapshotted(child, `${path}/${name}`);
  }

  private trash({ path, caller }: CommandOf<"trash">): string | undefined {
    const place = this.tree.locate(path, caller, false);
    if (place.node === undefined) return undefined;
    const bin = `/user/${caller.user}/.Trash`;
    if (`${bin}/`.startsWith(`${place.path}/`))
      refuse("FILE_OPERATION_REFUSED", `Cannot move "${path}" to the trash, as it contains the trash`);
    const wanted = `${bin}/Current${place.path}`;
    const superuser = { user: this.tree.settings.superuser, groups: [] };
    if (this.tree.locate(`/user/${caller.user}`, superuser).node === undefined) {
      this.mkdir({
        type: "mkdir",
        path: `/user/${caller.user}`,
        caller: superuser,
        mode: 0o755,
        unmaskedMode: undefined,
        createParents: true,
      });
      this.tree.find(`/user/${caller.user}`, superuser).node.owner = caller.user;
    }
    this.tree.makeParents(wanted, caller, 0o700);
    let to = wanted;
    for (let count = 1; this.tree.locate(to, caller, false).node !== undefined; count++)
      to = `${wanted}${this.now()}${count}`;
    this.renameTo({ from: path, to, caller }, false);
    return to;
  }

  private expunge({ caller, olderThanMs }: CommandOf<"expunge">): readonly string[] {
    const bin = `/user/${caller.user}/.Trash`;
    const { node } = this.tree.locate(bin, caller);
    if (node === undefined) return [];
    if (node.children.has("Current"))
      this.renameTo({ from: `${bin}/Current`, to: `${bin}/${this.now()}`, caller }, false);
    const due = [...node.children.keys()].filter((name) => this.now() - Number(name) > olderThanMs);
    for (const name of due) this.remove({ type: "delete", path: `${bin}/${name}`, caller, recursive: true });
    return due.map((name) => `${bin}/${name}`);
  }

  private file(path: string, caller: Caller): Inode {
    const { node, frozen } = this.tree.find(path, caller);
    if (node.type !== "file") refuse("FILE_OPERATION_REFUSED", `Path is not a file: ${path}`);
    if (frozen) refuse("SNAPSHOT_REFUSED", `Modification on a read-only snapshot: ${path}`);
    if (node.writer !== undefined) refuse("BEING_WRITTEN", `${path} is being written`);
    this.tree.allow(node, caller, 2, path);
    return node;
  }

  private concat({ path, caller, sources }: CommandOf<"concat">): undefined {
    const target = this.file(path, caller);
    if (sources.length === 0) refuse("ARGUMENT_INVALID", "concat: no source files");
    const parts = sources.map((source) => this.file(source, caller));
    if (new Set([target, ...parts]).size !== parts.length + 1)
      refuse("ARGUMENT_INVALID", "concat: a file is named twice");
    target.content = Buffer.concat([target.content, ...parts.map(({ content }) => content)]);
    this.tree.touch(target);
    for (const source of sources) this.remove({ type: "delete", path: source, caller, recursive: false });
  }

  private truncate({ path, caller, length }: CommandOf<"truncate">): boolean {
    const node = this.file(path, caller);
    if (length > node.content.length)
      refuse(
        "ARGUMENT_INVALID",
        `Cannot truncate to a larger file size. Current size: ${node.content.length}, truncate size: ${length}.`,
      );
    node.content = Buffer.from(node.content.subarray(0, length));
    this.tree.touch(node);
    return true;
  }

  private owned(path: string, caller: Caller): Inode {
    const place = this.tree.find(path, caller);
    if (place.frozen) refuse("SNAPSHOT_REFUSED", `Modification on a read-only snapshot: ${path}`);
    if (place.node.owner !== caller.user && !this.tree.isSuperuser(caller))
      refuse("ACCESS_DENIED", `Permission denied. user=${caller.user} is not the owner of inode=${path}`);
    return place.node;
  }

  private setAttributes(
    command: CommandOf<
      | "setMode"
      | "setOwner"
      | "setTimes"
      | "setReplication"
      | "setQuota"
      | "setAcl"
      | "setAttribute"
      | "removeAttribute"
      | "setPolicy"
    >,
  ): Replies[CommandType] {
    const { path, caller } = command;
    const written = command.type === "setTimes" || command.type === "setReplication";
    const node = written ? this.tree.find(path, caller).node : this.owned(path, caller);
    if (written && node.owner !== caller.user) this.tree.allow(node, caller, 2, path);
    const reply = this.setAttribute(node, command);
    node.revision++;
    return reply;
  }

  private setAttribute(node: Inode, command: Parameters<Changes["setAttributes"]>[0]): Replies[CommandType] {
    const { caller, path } = command;
    switch (command.type) {
      case "setMode":
        node.mode = command.mode;
        return undefined;
      case "setOwner":
        if (command.owner !== undefined && command.owner !== node.owner && !this.tree.isSuperuser(caller))
          refuse(
            "ACCESS_DENIED",
            `User ${caller.user} is not a super user (non-super user cannot change owner).`,
          );
        node.owner = command.owner ?? node.owner;
        node.group = command.group ?? node.group;
        return undefined;
      case "setTimes":
        node.modifiedMs = command.modifiedMs ?? node.modifiedMs;
        node.accessedMs = command.accessedMs ?? node.accessedMs;
        return undefined;
      case "setReplication":
        if (node.type === "directory") return false;
        if (command.replication > this.tree.settings.maxReplication)
          refuse(
            "ARGUMENT_INVALID",
            `Requested replication factor of ${command.replication} exceeds maximum`,
          );
        node.replication = command.replication;
        return true;
      case "setQuota":
        if (!this.tree.isSuperuser(caller)) refuse("ACCESS_DENIED", "Superuser privilege is required");
        if (node.type !== "directory") refuse("PARENT_NOT_DIRECTORY", `${path} is not a directory`);
        node.nameQuota = command.names ?? node.nameQuota;
        node.spaceQuota = command.space ?? node.spaceQuota;
        return undefined;
      case "setAcl":
        changeAcl(node, command);
        return undefined;
      case "setAttribute": {
        const has = node.attributes.has(command.name);
        if (command.mode === "create" && has)
          refuse("ATTRIBUTE_REFUSED", `XAttr: ${command.name} already exists.`);
        if (command.mode === "replace" && !has)
          refuse("ATTRIBUTE_REFUSED", `XAttr: ${command.name} does not exist.`);
        if (!/^(user|trusted|system|security|raw)\../.test(command.name))
          refuse(
            "ARGUMENT_INVALID",
            `An XAttr name must be prefixed with user/trusted/security/system/raw: ${command.name}`,
          );
        node.attributes.set(command.name, command.value);
        return undefined;
      }
      case "removeAttribute":
        if (!node.attributes.delete(command.name))
          refuse("ATTRIBUTE_REFUSED", `No matching attributes found: ${path}`);
        return undefined;
      case "setPolicy":
        if (command.policy === "storage") node.storagePolicy = command.value;
        else if (command.value === undefined && node.erasureCoding === undefined)
          refuse("FILE_OPERATION_REFUSED", `No erasure coding policy explicitly set on ${path}`);
        else if (command.value !== undefined && erasurePolicy(command.value) === undefined) {
          refuse("ARGUMENT_INVALID", `Policy '${command.value}' does not match any enabled policies`);
        } else node.erasureCoding = command.value;
        return undefined;
    }
  }

  private changeSnapshots(
    command: CommandOf<"allowSnapshots" | "createSnapshot" | "renameSnapshot" | "deleteSnapshot">,
  ): Replies[CommandType] {
    const { path, caller } = command;
    const node = this.owned(path, caller);
    const missing = (name: string): never =>
      refuse("SNAPSHOT_REFUSED", `Cannot find the snapshot ${name} of ${path}: it does not exist`);
    if (node.type !== "directory") refuse("PARENT_NOT_DIRECTORY", `${path} (is not a directory)`);
    if (command.type === "allowSnapshots") {
      if (!this.tree.isSuperuser(caller)) refuse("ACCESS_DENIED", "Superuser privilege is required");
      if (!command.allowed) this.unsnapshotted(node, path);
      node.snapshottable = command.allowed;
      return undefined;
    }
    if (!node.snapshottable)
      refuse("SNAPSHOT_REFUSED", `Directory is not a snapshottable directory: ${path}`);
    const at = (name: string) => node.snapshots.get(name) ?? missing(name);
    switch (command.type) {
      case "createSnapshot": {
        const nowMs = this.now();
        const time = new Date(nowMs).toISOString().replaceAll(/[-:Z]/g, "").replace("T", "-");
        const name = command.name ?? `s${time}`;
        if (node.snapshots.has(name)) refuse("SNAPSHOT_REFUSED", `There is already a snapshot named ${name}`);
        node.snapshots.set(name, { id: this.lastSnapshot++, createdMs: nowMs, root: frozenCopy(node) });
        return `${path === "/" ? "" : path}/.snapshot/${name}`;
      }
      case "renameSnapshot": {
        const snapshot = at(command.name);
        if (node.snapshots.has(command.to))
          refuse("SNAPSHOT_REFUSED", `The snapshot ${command.to} already exists`);
        node.snapshots.delete(command.name);
        node.snapshots.set(command.to, snapshot);
        return undefined;
      }
      case "deleteSnapshot":
        at(command.name);
        node.snapshots.delete(command.name);
        return undefined;
    }
  }
}
