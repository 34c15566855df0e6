/** How the file of a writer begins: as a new one, or at the end of one that is there. */
import { bytesFromLatin1 } from "../../../runtime/bytes.ts";
import { QuorateError } from "../../../runtime/errors.ts";
import type { NodeId } from "../../../runtime/world.ts";
import type { CommandOf } from "../namespace/commands.ts";
import { erasurePolicy, groupCapacity } from "../namespace/erasure-policy.ts";
import type { BlockId, Caller, FileStatus, Segment } from "../namespace/model.ts";
import type { StoredBlock } from "../namespace/queries.ts";
import type { WritingMeans } from "./block-sequence.ts";
import type { Beginning, Held } from "./file-writer.ts";
import type { NamespaceLog } from "./namespace-log.ts";

/** The reports of those who hold a block come by another way than the log: a moment may lie between. */
const REPORT_WAIT_MS = 1_000;
const REPORT_PATIENCE_MS = 5_000;
const LOOK_MS = 20;

export class Creation implements Beginning {
  readonly isNew = true;
  readonly smallMax: number;
  private readonly log: NamespaceLog;
  private readonly command: Omit<CommandOf<"create">, "type" | "holder">;
  private readonly exclude: ReadonlySet<NodeId>;

  constructor(
    { log }: WritingMeans,
    command: Omit<CommandOf<"create">, "type" | "holder">,
    exclude: ReadonlySet<NodeId>,
  ) {
    this.log = log;
    this.command = command;
    this.exclude = exclude;
    this.smallMax = log.machine.settings.inlineMaxBytes;
  }

  putSmall(content: string): Promise<FileStatus> {
    return this.log.change(Object.assign({ type: "put", content } as const, this.command));
  }

  async open(holder: string): Promise<Held> {
    const { log, command, exclude } = this;
    const { status } = await log.change(Object.assign({ type: "create", holder } as const, command));
    const { id: file, replication } = status;
    const coding = erasurePolicy(status.erasureCoding);
    const blockSize = coding === undefined ? status.blockSize : groupCapacity(coding, status.blockSize);
    const common = { file, length: 0, blockSize, replication, coding, exclude };
    return { ...common, inline: undefined, goOn: undefined };
  }
}

/** `last`: the end of the file as it is now, a moment before the log is asked. */
export function appending(
  means: WritingMeans,
  file: { readonly path: string; readonly caller: Caller; readonly status: FileStatus },
  last: Segment | undefined,
): Beginning {
  const { log, locations, link } = means;
  const { path, caller, status } = file;
  const inlineMax = log.machine.settings.inlineMaxBytes;
  return {
    isNew: false,
    smallMax: last?.type === "block" ? -1 : inlineMax - (last?.length ?? 0),
    putSmall: (content) =>
      content === "" ? Promise.resolve(status) : log.change({ type: "appendInline", path, caller, content }),
    async open(holder) {
      const pipeline = last?.type === "block" ? locations.all(last.id).map(({ node }) => node) : [];
      const {
        status: now,
        block,
        inline,
      } = await log.change({
        type: "append",
        path,
        caller,
        holder,
        pipeline,
      });
      const { id, length, blockSize, replication } = now;
      // The log has refused it for a coded file.
      const coding = undefined;
      const common = { file: id, length, blockSize, replication, coding, exclude: new Set<NodeId>() };
      if (block === undefined) {
        const first = inline === undefined ? undefined : bytesFromLatin1(inline);
        return { ...common, inline: first, goOn: undefined };
      }
      return {
        ...common,
        inline: undefined,
        async goOn(sequence) {
          const { nodes, stamp } = await holdersOf(block.id);
          await sequence.goOn(block, stamp, nodes, replication);
        },
      };
    },
  };

  /** Those who hold the whole block, under the stamp that the log knows; all that there should be, if they are soon known. */
  async function holdersOf(
    id: BlockId,
  ): Promise<{ readonly nodes: readonly NodeId[]; readonly stamp: number }> {
    const beganMs = link.clock.monotonicMs();
    for (;;) {
      const block: StoredBlock | undefined = log.machine.block(id);
      if (block === undefined) throw new QuorateError("LEASE_LOST", `${path} was removed`);
      const nodes = locations
        .readable(id, block.stamp, link.self)
        .filter(({ state, length }) => state === "finished" && length === block.length)
        .map(({ node }) => node);
      const waitedMs = link.clock.monotonicMs() - beganMs;
      const isEnough = nodes.length >= block.replication || (nodes.length > 0 && waitedMs > REPORT_WAIT_MS);
      if (isEnough) return { nodes, stamp: block.stamp };
      if (waitedMs > REPORT_PATIENCE_MS) {
        throw new QuorateError(
          "BLOCK_MISSING",
          `no node that can be reached holds block ${id}, the last of ${path}`,
        );
      }
      await log.delay(LOOK_MS);
    }
  }
}
