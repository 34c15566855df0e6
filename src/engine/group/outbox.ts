/**
 * Messages of the consensus core on their way out. A message may promise something, a vote or that an entry is kept: it leaves
 * when the write that makes its promise true is on the disk, and not before.
 */
import type { NodeId } from "../../runtime/world.ts";

interface Outgoing<Message> {
  readonly to: NodeId;
  readonly message: Message;
  /** The write that must be durable first. */
  readonly after: number;
}

export class Outbox<Message> {
  private readonly transmit: (to: NodeId, message: Message) => void;
  /** In the order of the core, so that the writes they wait for ascend. */
  private waiting: Outgoing<Message>[] = [];
  private durableId = 0;

  constructor(transmit: (to: NodeId, message: Message) => void) {
    this.transmit = transmit;
  }

  /** Sends it now, or when its write is durable. */
  send(outgoing: Outgoing<Message>): void {
    if (outgoing.after <= this.durableId) this.transmit(outgoing.to, outgoing.message);
    else this.waiting.push(outgoing);
  }

  /** This write and all before it are on the disk. */
  durable(writeId: number): void {
    this.durableId = writeId;
    let count = 0;
    for (const { to, message, after } of this.waiting) {
      if (after > writeId) break;
      this.transmit(to, message);
      count++;
    }
    this.waiting.splice(0, count);
  }
}
