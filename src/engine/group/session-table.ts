/**
 * Which batches were applied: each once, in the order of their session (Raft thesis section 6.3).
 *
 * A session belongs to one running node process. Its owner numbers its batches and sends every one that it has not yet
 * seen applied again after a change of leader; the table, which is part of the replicated state and of every snapshot,
 * drops what was applied already. No replies are kept: the owner is itself a replica and answers from its own apply.
 */
import type { NodeId } from "../../runtime/world.ts";
import type { ByteReader } from "../../wire/byte-reader.ts";
import type { ByteWriter } from "../../wire/byte-writer.ts";
import type { Batch } from "./batch.ts";
import { decodeRegistration } from "./batch.ts";

export interface Session {
  /** The index of the log entry that registered it. */
  readonly id: number;
  readonly nonce: number;
  readonly directory: string;
  /** The highest batch number that was applied (or given up). */
  lastSeq: number;
}

/** `gap`: an earlier batch of the session was lost on the way; the owner sends again from there. */
export type Admission = "apply" | "duplicate" | "gap" | "stale";

export class SessionTable {
  private readonly sessions = new Map<NodeId, Session>();

  get(node: NodeId): Session | undefined {
    return this.sessions.get(node);
  }

  /** The highest number of the session that was applied; 0 when the node has another session now, or none. */
  lastSeq(node: NodeId, session: number): number {
    const known = this.sessions.get(node);
    return known?.id === session ? known.lastSeq : 0;
  }

  /**
   * Opens a session; a repeated registration of the same process changes nothing, and neither does one from another data
   * directory: whoever lost its disk has forgotten its votes, and must not come back under its old name. Nor does a second
   * one in the same entry: it would give another session the same id, and what was sent for the first would count for it.
   */
  register(batch: Batch, index: number): void {
    const { nonce, directory } = decodeRegistration(batch.body);
    const current = this.sessions.get(batch.node);
    if (current !== undefined && (current.nonce === nonce || current.directory !== directory)) return;
    if (current?.id === index) return;
    this.sessions.set(batch.node, { id: index, nonce, directory, lastSeq: 0 });
  }

  /** Decides about a batch and, when it is to be applied, counts it as applied. */
  admit(batch: Batch): Admission {
    const session = this.sessions.get(batch.node);
    if (session === undefined || session.id !== batch.session) return "stale";
    if (batch.seq <= session.lastSeq) return "duplicate";
    if (batch.abandonedFrom > session.lastSeq + 1) return "gap";
    session.lastSeq = batch.seq;
    return "apply";
  }

  /** The members name the directories that they mean: the session of another life of the name ends. */
  keepOnly(directories: Readonly<Record<NodeId, string>>): void {
    for (const [node, directory] of Object.entries(directories)) {
      if (this.sessions.get(node)?.directory !== directory) this.sessions.delete(node);
    }
  }

  write(writer: ByteWriter): void {
    writer.uint32(this.sessions.size);
    for (const [node, session] of this.sessions) {
      writer
        .text(node)
        .uint53(session.id)
        .uint53(session.nonce)
        .text(session.directory)
        .uint53(session.lastSeq);
    }
  }

  read(reader: ByteReader): void {
    this.sessions.clear();
    for (let left = reader.uint32(); left > 0; left--) {
      const node = reader.text();
      const id = reader.uint53();
      const nonce = reader.uint53();
      const directory = reader.text();
      this.sessions.set(node, { id, nonce, directory, lastSeq: reader.uint53() });
    }
  }
}
