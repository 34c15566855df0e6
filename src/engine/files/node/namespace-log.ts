/**
 * What this node needs of the replicated group that keeps the namespace, and that group as promises: changes through the log,
 * questions behind a barrier, refusals as errors of the table.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { isQuorateError, QuorateError } from "../../../runtime/errors.ts";
import type { Clock, NodeId } from "../../../runtime/world.ts";
import type { Outcome } from "../blocks/block-store.ts";
import { encodeCommand } from "../namespace/command-codec.ts";
import type { NamespaceCommand } from "../namespace/commands.ts";
import type { NamespaceMachine } from "../namespace/machine.ts";
import type { NamespaceQueries } from "../namespace/queries.ts";
import type { NamespaceReply, Replies } from "../namespace/replies.ts";
import { Refusal } from "../namespace/replies.ts";

export interface NamespaceGroup {
  /** This node's replica. Its observer is set by the one who serves files. */
  readonly machine: NamespaceMachine;
  /**
   * Puts a command into the log, wherever the leader is; `encoded` is its form there. `done` is called once, within the request
   * timeout: with the reply of this node's own apply, or with NO_QUORUM, OUTCOME_UNKNOWN, REPLY_LOST, OVERLOADED, DISK_FULL or
   * SHUTTING_DOWN.
   */
  propose(
    command: NamespaceCommand,
    encoded: Bytes,
    done: (reply: NamespaceReply | undefined, error: QuorateError | undefined) => void,
  ): void;
  /** Calls back when everything is applied here that was committed when it was called; or with NO_QUORUM, SHUTTING_DOWN. */
  barrier(done: (error: QuorateError | undefined) => void): void;
  /** With reads under a lease: false when it ended between the barrier and now, and the read must be made again. */
  readStillValid(): boolean;
  /** The term in which this node leads the group; undefined: it does not. */
  leading(): number | undefined;
  /** Who leads, as far as this node knows. */
  leader(): NodeId | undefined;
  /** Nodes that keep the namespace, this one among them. */
  members(): readonly NodeId[];
}

type ReplyTo<Command extends NamespaceCommand> = Replies[Command["type"]];

/** Twice is the same as once for these, so an unknown outcome is met by saying it again. */
const PATIENCE_MS = 30_000;
const RETRY_MS = 250;
/** How long who asks at the very start waits for the file system to be founded. */
const FOUNDING_MS = 5_000;
const FOUNDING_LOOK_MS = 10;

export class NamespaceLog {
  readonly group: NamespaceGroup;
  private readonly clock: Clock;

  constructor(group: NamespaceGroup, clock: Clock) {
    this.group = group;
    this.clock = clock;
  }

  get machine(): NamespaceMachine {
    return this.group.machine;
  }

  /** Once, with the outcome that it has. */
  async change<Command extends NamespaceCommand>(command: Command): Promise<ReplyTo<Command>> {
    if (this.machine.key === undefined) await this.founded();
    return settled((done) => this.tell(command, done));
  }

  /** As `change`, for those who do not wait with a promise. */
  tell<Command extends NamespaceCommand>(command: Command, done: Outcome<ReplyTo<Command>>): void {
    this.group.propose(command, encodeCommand(command), (reply, error) => {
      if (error !== undefined) done(error);
      else if (reply instanceof Refusal) done(errorOf(reply));
      else done(undefined, reply as ReplyTo<Command>);
    });
  }

  /**
   * A command that may be said twice: a change of the leader, or a majority that is away for a while, does not end who writes.
   * Gives up after half a minute, or when `given` says so.
   */
  async insist<Command extends NamespaceCommand>(
    command: Command,
    given: () => boolean = () => false,
  ): Promise<ReplyTo<Command>> {
    const endMs = this.clock.monotonicMs() + PATIENCE_MS;
    for (;;) {
      try {
        return await this.change(command);
      } catch (error) {
        const isOver = this.clock.monotonicMs() > endMs || given();
        if (isOver || !isQuorateError(error) || !PASSING.has(error.code)) throw error;
        await this.delay(RETRY_MS);
      }
    }
  }

  /** What the namespace says, linearizable. */
  async ask<T>(question: (namespace: NamespaceQueries) => T): Promise<T> {
    if (this.machine.key === undefined) await this.founded();
    for (;;) {
      await this.barrier();
      if (!this.group.readStillValid()) continue;
      return this.now(question);
    }
  }

  /** Before that nothing in the file system is of the user who begins it. NO_QUORUM when it takes too long. */
  private async founded(): Promise<void> {
    const endMs = this.clock.monotonicMs() + FOUNDING_MS;
    while (this.machine.key === undefined) {
      if (this.clock.monotonicMs() > endMs)
        throw new QuorateError("NO_QUORUM", "the file system is not founded: no majority can be reached");
      await this.delay(FOUNDING_LOOK_MS);
    }
  }

  /** What this node's replica says, as of whatever it has applied. */
  now<T>(question: (namespace: NamespaceQueries) => T): T {
    try {
      return question(this.machine);
    } catch (error) {
      throw error instanceof Refusal ? errorOf(error) : error;
    }
  }

  barrier(): Promise<void> {
    return settled((done) => this.group.barrier(done));
  }

  delay(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.clock.setTimer(delayMs, resolve));
  }
}

const PASSING: ReadonlySet<string> = new Set(["NO_QUORUM", "OUTCOME_UNKNOWN", "OVERLOADED", "DISK_FULL"]);

function errorOf({ code, message }: Refusal): QuorateError {
  return new QuorateError(code, message);
}

/** A call with an outcome as a promise. */
export function settled<T = void>(call: (done: Outcome<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => {
      if (error !== undefined) reject(error);
      else resolve(value as T);
    });
  });
}

/** Ends with the signal's reason as soon as it fires, whatever becomes of the promise. */
export function until<T>(signal: AbortSignal | undefined, promise: Promise<T>): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(signal.reason as Error);
    if (signal.aborted) aborted();
    signal.addEventListener("abort", aborted, { once: true });
    promise.then(
      (value) => {
        signal.removeEventListener("abort", aborted);
        resolve(value);
      },
      (error: unknown) => {
        signal.removeEventListener("abort", aborted);
        reject(error as Error);
      },
    );
  });
}
