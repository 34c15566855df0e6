/**
 * Ends a block group whose writer is gone: all shards are cut to the stripes that enough of them have whole. Nobody was told that
 * any of its bytes are safe (`group-writer.ts`): so whatever is behind, or all when it is less than a stripe, may be given up.
 *
 * A writer only ever adds bytes to a shard, the same whoever asks: so two shards of different lengths, or stamps of earlier
 * attempts, agree in what both have.
 */
import type { NodeId } from "../../../runtime/world.ts";
import { askAll } from "../blocks/ask-all.ts";
import type { BlockLink, FrameOf } from "../blocks/block-link.ts";
import type { RecoveryReport, ShardPlace } from "../blocks/protocol.ts";
import { chooseGroupRecovery } from "./choose-group-recovery.ts";

/** Leads the recovery. Undefined: too few shards could be brought there; the leader tries again, with a later stamp. */
export function recoverGroup(
  link: BlockLink,
  { file, block, stamp, recoveryStamp, geometry, shards }: FrameOf<"recoverGroup">,
  done: (report: RecoveryReport | undefined) => void,
): void {
  const report = (length: number, nodes: readonly NodeId[]): void =>
    done({ type: "recovered", file, block, recoveryStamp, length, nodes });
  const begin = (stream: number, { unit }: ShardPlace): FrameOf<"beginRecovery"> => {
    return { type: "beginRecovery", stream, block: block + unit, recoveryStamp };
  };
  askAll(link, shards, begin, (answers) => {
    const held = answers.flatMap(({ unit, node, frame }) =>
      frame?.replica === undefined ? [] : [{ unit, node, replica: frame.replica }],
    );
    const chosen = chooseGroupRecovery(held, { stamp, geometry });
    if (chosen.stripes === 0) return report(0, []);
    const length = chosen.stripes * geometry.cellBytes;
    const finish = (stream: number, { unit }: ShardPlace): FrameOf<"finishRecovery"> => {
      return {
        type: "finishRecovery",
        stream,
        block: block + unit,
        recoveryStamp,
        length,
        copyTo: undefined,
      };
    };
    askAll(link, chosen.shards, finish, (finished) => {
      const good = finished.filter(({ frame }) => frame?.replica !== undefined);
      if (new Set(good.map(({ unit }) => unit)).size < geometry.dataUnits) return done(undefined);
      report(length * geometry.dataUnits, [...new Set(good.map(({ node }) => node))]);
    });
  });
}
