/** What the replicas' state machines are given, and what becomes of them: the same everywhere, in order, each command once. */
import type { Index } from "../../consensus/consensus.ts";
import { encodeCommand } from "../../engine/keyspace/command-codec.ts";
import type { KeyspaceMachine } from "../../engine/keyspace/machine.ts";
import type { Logger, NodeId } from "../../runtime/world.ts";

export class AppliedStates {
  private readonly fail: (what: string) => void;
  private readonly digests = new Map<Index, { digest: number; node: NodeId }>();
  /** The log time of each entry. */
  private readonly times = new Map<Index, number>();
  /** Where each command was applied. */
  private readonly places = new Map<string, string>();

  constructor(fail: (what: string) => void) {
    this.fail = fail;
  }

  /** The node has applied everything up to `index`, and its state has this digest. */
  applied(node: NodeId, index: Index, digest: number): void {
    const known = this.digests.get(index);
    if (known === undefined) this.digests.set(index, { digest, node });
    else if (known.digest !== digest) {
      this.fail(`after entry ${index}, the states of ${known.node} and ${node} differ`);
    }
  }

  /** Watches what the machine is given. `unique`: true for a command that clients issue once in the whole run. */
  observeMachine(node: NodeId, machine: KeyspaceMachine, unique: (text: string) => boolean): void {
    let last = { index: 0, position: -1, timeMs: 0 };
    const apply = machine.apply.bind(machine);
    const restore = machine.restore.bind(machine);
    machine.restore = (chunks) => {
      restore(chunks);
      last = { index: 0, position: -1, timeMs: 0 };
    };
    machine.apply = (command, at) => {
      const inOrder = at.index > last.index || (at.index === last.index && at.position > last.position);
      if (!inOrder)
        this.fail(`${node} applied ${at.index}.${at.position} after ${last.index}.${last.position}`);
      if (at.timeMs < last.timeMs) this.fail(`log time at ${node} went from ${last.timeMs} to ${at.timeMs}`);
      const known = this.times.get(at.index);
      if (known === undefined) this.times.set(at.index, at.timeMs);
      else if (known !== at.timeMs) this.fail(`entry ${at.index} has the times ${known} and ${at.timeMs}`);
      last = { index: at.index, position: at.position, timeMs: at.timeMs };
      const text = encodeCommand(command).toString("latin1");
      if (unique(text)) this.onUnique(node, text, `${at.index}.${at.position}`);
      return apply(command, at);
    };
  }

  /** The nodes compare their states themselves: they must find nothing, as this observer does. */
  observeLogger(node: NodeId, logger: Logger): Logger {
    return {
      log: (level, event, fields) => {
        if (event === "replicas diverged") {
          this.fail(`${node} found another state than its own after entry ${String(fields?.["index"])}`);
        }
        logger.log(level, event, fields);
      },
    };
  }

  private onUnique(node: NodeId, text: string, place: string): void {
    const known = this.places.get(text);
    if (known === undefined) this.places.set(text, place);
    else if (known !== place) {
      this.fail(
        `${node} applied a command at ${place} that was applied at ${known}: ${JSON.stringify(text)}`,
      );
    }
  }
}
