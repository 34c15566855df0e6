/**
 * Brings the replicas of a block whose writer is gone to one length, under a stamp that makes older writers and older attempts
 * fail (`docs/files.md`, "A writer fails").
 *
 * Only replicas with the latest stamp that is found count, and of these only those that hold what the log knows to be
 * acknowledged. A finished one has the length that all agreed on; if there is none, the shortest decides: what was acknowledged
 * is on all of them.
 */
import type { NodeId } from "../../../runtime/world.ts";
import { askAll } from "./ask-all.ts";
import type { BlockLink, FrameOf } from "./block-link.ts";
import type { Replica } from "./block-store.ts";
import type { RecoveryReport, StreamId } from "./protocol.ts";

export interface Held {
  readonly node: NodeId;
  readonly replica: Replica;
}

/** The length to which a block is brought, and by whom; undefined: nobody holds enough of it. Pure. */
export function chooseRecovery(
  held: readonly Held[],
  known: { readonly stamp: number; readonly length: number; readonly truncateTo: number | undefined },
): { readonly length: number; readonly nodes: readonly NodeId[] } | undefined {
  const least = known.truncateTo ?? known.length;
  const usable = held.filter(
    ({ replica }) => replica.stamp >= known.stamp && replica.length >= least && replica.state !== "corrupt",
  );
  const latest = Math.max(...usable.map(({ replica }) => replica.stamp));
  const current = usable.filter(({ replica }) => replica.stamp === latest);
  if (current.length === 0) return undefined;
  const finished = current.filter(({ replica }) => replica.state === "finished");
  const deciding = finished.length > 0 ? finished : current;
  const length = known.truncateTo ?? Math.min(...deciding.map(({ replica }) => replica.length));
  const nodes = current.filter(({ replica }) => replica.length >= length).map(({ node }) => node);
  return { length, nodes };
}

/**
 * Leads the recovery of one block. Gives what is to be told to the namespace; undefined when no node that answered could be
 * brought there, or none holds enough: the leader tries again, with a later stamp.
 */
export function recoverBlock(
  link: BlockLink,
  instruction: FrameOf<"recover">,
  done: (report: RecoveryReport | undefined) => void,
): void {
  const { file, block, recoveryStamp, stamp, length, truncateTo, copyTo, nodes } = instruction;
  askAll(
    link,
    nodes.map((node) => ({ node })),
    (stream) => ({ type: "beginRecovery", stream, block, recoveryStamp }),
    (answers) => {
      const held = answers.flatMap(({ node, frame }) =>
        frame?.replica === undefined ? [] : [{ node, replica: frame.replica }],
      );
      const chosen = chooseRecovery(held, { stamp, length, truncateTo });
      if (chosen === undefined) {
        // Of bytes that the log knows of someone may hold them who did not answer. Of others nobody was told that they are safe.
        const isNowhere = held.length === 0 && length === 0 && truncateTo === undefined;
        const report = {
          type: "recovered",
          file,
          block,
          recoveryStamp,
          length: undefined,
          nodes: [],
        } as const;
        return done(isNowhere ? report : undefined);
      }
      const finish = (stream: StreamId): FrameOf<"finishRecovery"> => {
        return { type: "finishRecovery", stream, block, recoveryStamp, length: chosen.length, copyTo };
      };
      const bringing = chosen.nodes.map((node) => ({ node }));
      askAll(link, bringing, finish, (finished) => {
        const good = finished.filter(({ frame }) => frame?.replica !== undefined).map(({ node }) => node);
        if (good.length === 0) return done(undefined);
        done({ type: "recovered", file, block, recoveryStamp, length: chosen.length, nodes: good });
      });
    },
  );
}
