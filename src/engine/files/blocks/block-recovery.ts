/**
 * Brings the replicas of a block whose writer is gone to one length, under a stamp that makes older writers and older attempts
 * fail (`docs/files.md`, "A writer fails").
 *
 * Only replicas with the latest stamp that is found count, and of these only those that hold what the log knows to be
 * acknowledged. A finished one has the length that all agreed on; if there is none, the shortest decides: what was acknowledged
 * is on all of them.
 */
import type { NodeId, Timer } from "../../../runtime/world.ts";
import type { BlockLink, FrameOf } from "./block-link.ts";
import type { Replica } from "./block-store.ts";
import type { RecoveryReport, StreamId } from "./protocol.ts";
import { STREAM_SILENCE_MS } from "./protocol.ts";

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
    nodes,
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
      askAll(link, chosen.nodes, finish, (finished) => {
        const good = finished.filter(({ frame }) => frame?.replica !== undefined).map(({ node }) => node);
        if (good.length === 0) return done(undefined);
        done({ type: "recovered", file, block, recoveryStamp, length: chosen.length, nodes: good });
      });
    },
  );
}

interface Answer {
  readonly node: NodeId;
  /** Undefined: none came. */
  readonly frame: FrameOf<"held"> | undefined;
}

/** Asks all, and waits for each until it answers or is silent for too long. */
function askAll(
  link: BlockLink,
  nodes: readonly NodeId[],
  question: (stream: StreamId) => FrameOf<"beginRecovery"> | FrameOf<"finishRecovery">,
  done: (answers: readonly Answer[]) => void,
): void {
  const waiting = new Map<StreamId, NodeId>();
  const answers: Answer[] = [];
  let timer: Timer | undefined;
  const settle = (stream: StreamId, frame: FrameOf<"held"> | undefined): void => {
    const node = waiting.get(stream);
    if (node === undefined) return;
    waiting.delete(stream);
    answers.push({ node, frame });
    if (waiting.size > 0) return;
    timer?.cancel();
    for (const cancel of subscriptions) cancel();
    done(answers);
  };
  const subscriptions = [
    link.on("held", (from, frame) => {
      if (waiting.get(frame.stream) === from) settle(frame.stream, frame);
    }),
    link.onDown((peer) => {
      for (const [stream, node] of waiting) if (node === peer) settle(stream, undefined);
    }),
  ];
  for (const node of nodes) waiting.set(link.newStream(), node);
  if (waiting.size === 0) {
    for (const cancel of subscriptions) cancel();
    return done([]);
  }
  for (const [stream, node] of waiting) link.send(node, question(stream));
  timer = link.clock.setTimer(2 * STREAM_SILENCE_MS, () => {
    for (const stream of waiting.keys()) settle(stream, undefined);
  });
}
