/** A node of one process for tests: the real keyspace, and a log that applies at once, at the end of the turn, or late. */
import type { Bytes } from "../../../runtime/bytes.ts";
import type { LogLevel } from "../../../runtime/world.ts";
import type { MemberView, NodeStatus } from "../../cluster/local-node.ts";
import type { SnapshotStatus } from "../../group/snapshots.ts";
import { DATA_COMMANDS } from "../../keyspace/commands/index.ts";
import type { KeyspaceCommand } from "../../keyspace/keyspace-command.ts";
import type { KeyspaceOptions } from "../../keyspace/keyspace-options.ts";
import type { KeyspaceMachine } from "../../keyspace/machine.ts";
import { createKeyspace } from "../../keyspace/machine.ts";
import type { Reply } from "../../keyspace/reply.ts";
import type { ReplyError } from "../../keyspace/reply.ts";
import type { KeyspaceNode } from "./context.ts";
import type { RespServer } from "./server.ts";
import { startRespServer } from "./server.ts";
import { SESSION_SPECS } from "./session-commands.ts";
import type { RespServerOptions } from "./settings.ts";

export interface TestNodeOptions {
  /** Default: no scripts. */
  readonly scripts?: KeyspaceOptions["scripts"];
  /**
   * When the log applies a command and when a barrier holds: `now` inside the call, `turn` at the end of the event-loop
   * turn, or after `delay` more turns (a function drawn for each).
   */
  readonly timing?: "now" | "turn" | (() => number);
  readonly id?: string;
  readonly leader?: string | undefined;
  readonly members?: readonly MemberView[];
  /** Default 16 MiB. */
  readonly commandMaxBytes?: number;
}

export class TestNode implements KeyspaceNode {
  readonly id: string;
  readonly clusterId = "test";
  readonly machine: KeyspaceMachine;
  readonly commandMaxBytes: number;
  leader: string | undefined;
  memberViews: readonly MemberView[];
  isCongested = false;
  /** Answers of `readStillValid` to come; then always true. */
  leaseEnds: boolean[] = [];
  /** Fails every write and barrier while set. */
  failure: ReplyError | undefined;
  readonly logged: string[] = [];
  keepsLog = false;
  durability: NodeStatus["durability"] = "memory";
  private readonly timing: "now" | "turn" | (() => number);
  private readonly waitingForDrain: (() => void)[] = [];
  private queue: (() => void)[] = [];
  private index = 0;
  private saving = false;
  private saved = { index: 0, savedMs: Date.now() };
  private scheduled = false;
  private deliver: (channel: string, message: string) => number = () => 0;

  constructor(options: TestNodeOptions = {}) {
    this.id = options.id ?? "n1";
    this.commandMaxBytes = options.commandMaxBytes ?? 16 << 20;
    this.leader = "leader" in options ? options.leader : this.id;
    this.memberViews = options.members ?? [];
    this.timing = options.timing ?? "turn";
    const { scripts } = options;
    this.machine = createKeyspace({
      commands: [...DATA_COMMANDS, ...SESSION_SPECS],
      stopwatchMs: () => performance.now(),
      ...(scripts && { scripts }),
    });
    this.machine.publish = (channel, message) => void this.deliver(channel, message);
  }

  write(_command: KeyspaceCommand, encoded: Bytes, done: (reply: Reply) => void): void {
    this.later(() => {
      if (this.failure !== undefined) return done(this.failure);
      this.index += 1;
      // As every replica: from the bytes.
      const decoded = this.machine.decode(encoded);
      if (this.keepsLog) this.logged.push(JSON.stringify(decoded));
      done(
        this.machine.apply(decoded, { index: this.index, position: 0, timeMs: Date.now(), seed: this.index }),
      );
    });
  }

  barrier(done: (error: ReplyError | undefined) => void): void {
    this.later(() => done(this.failure));
  }

  readStillValid(): boolean {
    return this.leaseEnds.shift() ?? true;
  }

  logTimeMs(): number {
    return Date.now();
  }

  congested(): boolean {
    return this.isCongested;
  }

  onDrain(callback: () => void): void {
    this.waitingForDrain.push(callback);
  }

  get drainCallbacks(): number {
    return this.waitingForDrain.length;
  }

  drain(): void {
    this.isCongested = false;
    for (const callback of this.waitingForDrain.splice(0)) callback();
  }

  publish(channel: string, message: string, done: (receivers: number) => void): void {
    done(this.deliver(channel, message));
  }

  onPublish(deliver: (channel: string, message: string) => number): void {
    this.deliver = deliver;
  }

  saveSnapshot(done: (error: ReplyError | undefined) => void): void {
    const index = this.index;
    this.saving = true;
    this.later(() => {
      this.saving = false;
      if (this.failure === undefined) this.saved = { index, savedMs: Date.now() };
      done(this.failure);
    });
  }

  snapshotStatus(): SnapshotStatus {
    return { ...this.saved, underWay: this.saving, failed: this.failure !== undefined };
  }

  status(): NodeStatus {
    const membership = { voters: [this.id], outgoing: [], learners: [], addresses: {} };
    return {
      consensus: {
        role: this.leader === this.id ? "leader" : "follower",
        term: 1,
        leader: this.leader,
        commitIndex: this.index,
        firstIndex: 1,
        lastIndex: this.index,
        membership,
        progress: new Map(),
        snapshotsInUse: [],
      },
      algorithm: "raft",
      appliedIndex: this.index,
      durability: this.durability,
      digest: 0,
      diskBytes: 0,
      refusing: undefined,
    };
  }

  members(): readonly MemberView[] {
    return this.memberViews;
  }

  /** In order, whatever the delays: one entry behind the other. */
  private later(work: () => void): void {
    if (this.timing === "now") return work();
    this.queue.push(work);
    if (!this.scheduled) this.schedule();
  }

  private schedule(): void {
    this.scheduled = true;
    let turns = typeof this.timing === "function" ? this.timing() : 0;
    const step = (): void => {
      if (turns > 0) {
        turns -= 1;
        setImmediate(step);
        return;
      }
      // With random delays one at a time, so that reads and writes of a pipeline really interleave.
      const due =
        typeof this.timing === "function" ? [this.queue.shift() as () => void] : this.queue.splice(0);
      for (const work of due) work();
      this.scheduled = false;
      if (this.queue.length > 0) this.schedule();
    };
    setImmediate(step);
  }
}

export function member(id: string, resp: string, role: MemberView["role"]): MemberView {
  return {
    id,
    peer: "127.0.0.1:16379",
    resp,
    http: undefined,
    pid: undefined,
    dataDir: undefined,
    role,
    appliedIndex: 0,
    commitIndex: 0,
    diskBytes: 0,
  };
}

export interface TestServer {
  readonly server: RespServer;
  readonly node: TestNode;
  readonly port: number;
  /** Lines that the server logged at warn or above. */
  readonly complaints: string[];
}

export async function startTestServer(
  options: TestNodeOptions & { readonly server?: RespServerOptions } = {},
): Promise<TestServer> {
  const node = new TestNode(options);
  const complaints: string[] = [];
  const logger = {
    log: (level: LogLevel, event: string, fields: object = {}): void => {
      if (level === "warn" || level === "error") complaints.push(`${event} ${JSON.stringify(fields)}`);
    },
  };
  const server = await startRespServer({
    node,
    table: node.machine.commands,
    host: "127.0.0.1",
    port: 0,
    logger,
    ...(options.server === undefined ? {} : { options: options.server }),
  });
  return { server, node, port: server.port, complaints };
}
