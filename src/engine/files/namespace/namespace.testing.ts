/** A namespace to try things with: short commands, log time by hand, replies unwrapped. */
import { expect } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { encodeCommand } from "./command-codec.ts";
import type { CommandOf, CommandType, NamespaceCommand } from "./commands.ts";
import type { NamespaceMachine } from "./machine.ts";
import { createNamespace } from "./machine.ts";
import type { Caller, NamespaceSettings, Segment } from "./model.ts";
import type { Replies } from "./replies.ts";
import { Refusal } from "./replies.ts";
import type { NamespaceCut } from "./snapshot-cut.ts";

export const ROOT: Caller = { user: "quorate", groups: [] };
export const ANN: Caller = { user: "ann", groups: ["staff"] };
export const BOB: Caller = { user: "bob", groups: ["staff", "sales"] };

/** Small blocks and small inline files, so that a test reaches every path with a few bytes. */
export const SMALL: Partial<NamespaceSettings> = { minBlockSize: 512, blockSize: 1024, inlineMaxBytes: 16 };

type Given<Type extends CommandType> = Omit<CommandOf<Type>, "type" | keyof Defaults> &
  Partial<Pick<CommandOf<Type>, Extract<keyof CommandOf<Type>, keyof Defaults>>>;

const DEFAULTS = {
  caller: ROOT,
  mode: 0o644,
  unmaskedMode: undefined,
  replication: undefined,
  blockSize: undefined,
  createParents: true,
  existing: "refuse",
  recursive: true,
  overwrite: false,
  holder: "writer",
  expected: [],
  pipeline: ["n1", "n2", "n3"],
} as const;
type Defaults = typeof DEFAULTS;

export class Trial {
  readonly machine: NamespaceMachine;
  timeMs = 1_750_000_000_000;

  constructor(settings: Partial<NamespaceSettings> = SMALL) {
    this.machine = createNamespace(settings);
  }

  /** Fails on a refusal. */
  do<Type extends CommandType>(type: Type, given: Given<Type>): Replies[Type] {
    const reply = this.apply(type, given);
    if (reply instanceof Refusal) throw new Error(`${type} was refused: ${reply.code}: ${reply.message}`);
    return reply as Replies[Type];
  }

  /** Fails unless the command is refused with this code, and the state is as before. */
  refused<Type extends CommandType>(code: Refusal["code"], type: Type, given: Given<Type>): string {
    const before = this.machine.digest();
    const reply = this.apply(type, given);
    expect(reply).toBeInstanceOf(Refusal);
    expect(reply).toMatchObject({ code });
    expect(this.machine.digest(), "a refused command changed the state").toBe(before);
    return (reply as Refusal).message;
  }

  /** What a question is refused with. */
  denied(question: (machine: NamespaceMachine) => unknown): Refusal["code"] | undefined {
    try {
      question(this.machine);
    } catch (error) {
      if (error instanceof Refusal) return error.code;
      throw error;
    }
    return undefined;
  }

  pass(ms: number): this {
    this.timeMs += ms;
    return this;
  }

  /** A file of blocks, of so many bytes each. */
  write(path: string, lengths: readonly number[]): readonly number[] {
    const { status } = this.do("create", { path });
    const ids: number[] = [];
    let previous: { id: number; stamp: number; length: number } | undefined;
    for (const length of lengths) {
      const { block } = this.do("addBlock", { file: status.id, previous });
      previous = { ...block, length };
      ids.push(block.id);
    }
    this.do("complete", { file: status.id, last: previous });
    return ids;
  }

  names(path: string, startAfter = "", limit = 1000): string[] {
    const { entries } = this.machine.list(path, ROOT, startAfter, limit);
    return entries.map((entry) => entry.path.slice(entry.path.lastIndexOf("/") + 1));
  }

  segments(path: string): readonly Segment[] {
    return this.machine.segments(path, ROOT, 0, Number.MAX_SAFE_INTEGER).segments;
  }

  /** Contents of segments: what is inline, and of blocks id and length. */
  shape(path: string): string {
    return this.segments(path)
      .map((segment) => (segment.type === "inline" ? segment.content : `<${segment.id}:${segment.length}>`))
      .join("");
  }

  /** Everything that was deleted is given up. */
  settle(): this {
    while (this.machine.statistics().reclaiming > 0) this.do("reclaim", { limit: 3 });
    return this;
  }

  /** As a replica that was restored from this one's snapshot. */
  restored(): Trial {
    const copy = new Trial();
    copy.timeMs = this.timeMs;
    copy.machine.restore(drained(this.machine.snapshot(), 500));
    expect(copy.machine.digest()).toBe(this.machine.digest());
    return copy;
  }

  private apply<Type extends CommandType>(type: Type, given: Given<Type>): unknown {
    const command = { ...DEFAULTS, type, ...given } as unknown as NamespaceCommand;
    const decoded = this.machine.decode(encodeCommand(command));
    return this.machine.apply(decoded, { timeMs: (this.timeMs += 1) });
  }
}

export function drained(cut: NamespaceCut, maxBytes: number): Bytes[] {
  const chunks: Bytes[] = [];
  for (let bytes = cut.next(maxBytes); bytes !== undefined; bytes = cut.next(maxBytes)) {
    expect(bytes.length).toBeLessThanOrEqual(maxBytes);
    chunks.push(bytes);
  }
  return chunks;
}
