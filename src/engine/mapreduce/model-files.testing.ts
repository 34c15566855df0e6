/**
 * The file system as a model: the real namespace, reached from each node over calls that may get no answer, be carried out
 * late, or after their caller is dead. Files have their content in the namespace.
 */
import { QuorateError } from "../../runtime/errors.ts";
import type { SeededRandom } from "../../runtime/simulated/random.ts";
import type { SimulatedWorld } from "../../runtime/simulated/world.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { CommandOf, NamespaceCommand } from "../files/namespace/commands.ts";
import { createNamespace } from "../files/namespace/machine.ts";
import type { NamespaceMachine } from "../files/namespace/machine.ts";
import type { Caller } from "../files/namespace/model.ts";
import { Refusal } from "../files/namespace/replies.ts";
import type { JobFileSystem, Outcome } from "./doors.ts";

export interface FileFaults {
  /** Probability that a call gets no answer, carried out or not. */
  readonly unknown: number;
  readonly latencyMs: number;
}

const SUPERUSER: Caller = { user: "quorate", groups: [] };
const TIMEOUT_MS = 3_000;

export class ModelFiles {
  readonly namespace: NamespaceMachine = createNamespace();
  private readonly world: SimulatedWorld;
  private readonly random: SeededRandom;
  private readonly faults: FileFaults;
  private readonly isCutOff: (node: NodeId) => boolean;
  private calm = false;
  /** An output that was seen in part. */
  violation: string | undefined;

  constructor(world: SimulatedWorld, faults: FileFaults, isCutOff: (node: NodeId) => boolean) {
    this.world = world;
    this.random = world.random.split("model files");
    this.faults = faults;
    this.isCutOff = isCutOff;
    this.now({ type: "setMode", caller: SUPERUSER, path: "/", mode: 0o777 });
  }

  heal(): void {
    this.calm = true;
  }

  /** The file system as the engine of a node has it. `deliver`: runs in the process that asked, if it still lives. */
  at(node: NodeId, deliver: (run: () => void) => void): JobFileSystem {
    const change = (command: NamespaceCommand, done: Outcome): void => {
      this.call(
        node,
        () => this.now(command),
        (error) => deliver(() => done(error)),
      );
    };
    return {
      touch: (user, path, done) => change(putCommand(callerOf(user), path, "", true), done),
      makeDirectory: (user, path, done) =>
        change(
          {
            type: "mkdir",
            caller: callerOf(user),
            path,
            mode: 0o755,
            unmaskedMode: undefined,
            createParents: false,
          },
          done,
        ),
      look: (path, done) =>
        this.call(
          node,
          () => this.idAt(path),
          (error, id) => deliver(() => done(error, id)),
        ),
      publish: (user, expected, moves, done) =>
        change(
          {
            type: "publish",
            caller: callerOf(user),
            expected: expected.map(({ path, id }) => ({ path, id, revision: undefined })),
            moves,
            overwrite: false,
            createParents: true,
          },
          done,
        ),
      remove: (path, recursive, done) => change({ type: "delete", caller: SUPERUSER, path, recursive }, done),
    };
  }

  /** As a task writes a file, in a directory that is there; what is there already gives way. */
  write(node: NodeId, user: string, path: string, content: string, done: Outcome): void {
    const command = putCommand(callerOf(user), path, content, false);
    this.call(node, () => this.now({ ...command, existing: "replace" }), done);
  }

  /** All paths below a directory, with their content. */
  tree(path = "/"): Map<string, string | undefined> {
    const found = new Map<string, string | undefined>();
    const walk = (directory: string): void => {
      for (const entry of this.namespace.list(directory, SUPERUSER, "", 100_000).entries) {
        found.set(entry.path, entry.type === "file" ? this.contentOf(entry.path) : undefined);
        if (entry.type === "directory") walk(entry.path);
      }
    };
    walk(path);
    return found;
  }

  has(path: string): boolean {
    return this.idAt(path) !== undefined;
  }

  /** Throws QuorateError. */
  now(command: NamespaceCommand): undefined {
    const reply = this.namespace.apply(command, { timeMs: 1_790_000_000_000 + this.world.scheduler.nowMs });
    if (reply instanceof Refusal) throw new QuorateError(reply.code, reply.message);
    if (command.type === "publish") this.checkWhole(command.moves.map(({ to }) => to));
  }

  /** All of an output is there, or nothing. */
  private checkWhole(paths: readonly string[]): void {
    for (const path of paths) {
      const output = /^(.*)\/part-\d{5}$/.exec(path)?.[1];
      if (
        output === undefined ||
        output.includes("/_temporary") ||
        this.idAt(`${output}/_SUCCESS`) !== undefined
      )
        continue;
      this.violation ??= `${path} is there, and ${output}/_SUCCESS is not`;
    }
  }

  private contentOf(path: string): string {
    const { segments } = this.namespace.segments(path, SUPERUSER, 0, Number.MAX_SAFE_INTEGER);
    return segments.map((segment) => (segment.type === "inline" ? segment.content : "?")).join("");
  }

  private idAt(path: string): number | undefined {
    try {
      return this.namespace.status(path, SUPERUSER).id;
    } catch (error) {
      if (error instanceof Refusal && error.code === "PATH_NOT_FOUND") return undefined;
      throw error;
    }
  }

  private call<T>(node: NodeId, act: () => T, done: Outcome<T>): void {
    const { scheduler } = this.world;
    const { random, faults } = this;
    const latency = (): number => random.exponential(this.calm ? 1 : faults.latencyMs);
    if (this.isCutOff(node)) {
      scheduler.after(TIMEOUT_MS, () => done(new QuorateError("NO_QUORUM", "no majority in time")));
      return;
    }
    if (!this.calm && random.chance(faults.unknown)) {
      if (random.chance(0.6))
        scheduler.after(random.pick([0, 1_000, 20_000]) * random.float(), () => void attempted(act));
      scheduler.after(TIMEOUT_MS, () => done(new QuorateError("OUTCOME_UNKNOWN", "no answer in time")));
      return;
    }
    scheduler.after(latency(), () => {
      const { error, value } = attempted(act);
      scheduler.after(latency(), () => done(error, value));
    });
  }
}

function attempted<T>(act: () => T): { readonly error: QuorateError | undefined; readonly value?: T } {
  try {
    return { error: undefined, value: act() };
  } catch (error) {
    if (error instanceof QuorateError) return { error };
    throw error;
  }
}

function callerOf(user: string | undefined): Caller {
  return user === undefined ? SUPERUSER : { user, groups: [] };
}

function putCommand(caller: Caller, path: string, content: string, createParents: boolean): CommandOf<"put"> {
  return {
    type: "put",
    caller,
    path,
    mode: 0o644,
    unmaskedMode: undefined,
    replication: undefined,
    blockSize: undefined,
    createParents,
    existing: "refuse",
    content,
  };
}
