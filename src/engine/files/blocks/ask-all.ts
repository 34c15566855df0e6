/** One question to many nodes, each of which answers with what it holds, or does not. */
import type { NodeId, Timer } from "../../../runtime/world.ts";
import type { BlockLink, FrameOf } from "./block-link.ts";
import type { StreamId } from "./protocol.ts";
import { STREAM_SILENCE_MS } from "./protocol.ts";

interface Asked {
  readonly node: NodeId;
}

export type Answer<Of extends Asked> = Of & {
  /** Undefined: none came. */
  readonly frame: FrameOf<"held"> | undefined;
};

/** Asks all, and waits for each until it answers or is silent for too long. A node may be asked several times. */
export function askAll<Of extends Asked>(
  link: BlockLink,
  all: readonly Of[],
  question: (stream: StreamId, asked: Of) => FrameOf<"beginRecovery"> | FrameOf<"finishRecovery">,
  done: (answers: readonly Answer<Of>[]) => void,
): void {
  const waiting = new Map<StreamId, Of>();
  const answers: Answer<Of>[] = [];
  let timer: Timer | undefined;
  const settle = (stream: StreamId, frame: FrameOf<"held"> | undefined): void => {
    const asked = waiting.get(stream);
    if (asked === undefined) return;
    waiting.delete(stream);
    answers.push({ ...asked, frame });
    if (waiting.size > 0) return;
    timer?.cancel();
    for (const cancel of subscriptions) cancel();
    done(answers);
  };
  const subscriptions = [
    link.on("held", (from, frame) => {
      if (waiting.get(frame.stream)?.node === from) settle(frame.stream, frame);
    }),
    link.onDown((peer) => {
      for (const [stream, { node }] of waiting) if (node === peer) settle(stream, undefined);
    }),
  ];
  for (const asked of all) waiting.set(link.newStream(), asked);
  if (waiting.size === 0) {
    for (const cancel of subscriptions) cancel();
    return done([]);
  }
  for (const [stream, asked] of waiting) link.send(asked.node, question(stream, asked));
  timer = link.clock.setTimer(2 * STREAM_SILENCE_MS, () => {
    for (const stream of waiting.keys()) settle(stream, undefined);
  });
}
