/** A replicated group that is simple enough to be right: one replica alone. */
import type { Bytes } from "../../../runtime/bytes.ts";
import type { Clock, NodeId, Timer } from "../../../runtime/world.ts";
import { createNamespace } from "../namespace/machine.ts";
import type { NamespaceReply } from "../namespace/replies.ts";
import type { NamespaceGroup } from "./namespace-log.ts";

const UPKEEP_MS = 100;

/** One replica that leads. `stop` ends its upkeep. */
export function loneGroup(node: NodeId, clock: Clock): NamespaceGroup & { stop(): void } {
  const machine = createNamespace();
  const apply = (bytes: Bytes): NamespaceReply =>
    machine.apply(machine.decode(bytes), { timeMs: clock.wallMs() });
  let timer: Timer;
  const lookAfter = (): void => {
    const command = machine.upkeep(clock.wallMs());
    if (command !== undefined) apply(command);
    timer = clock.setTimer(command === undefined ? UPKEEP_MS : 0, lookAfter);
  };
  timer = clock.setTimer(UPKEEP_MS, lookAfter);
  return {
    machine,
    propose: (_, encoded, done) => clock.endOfTurn(() => done(apply(encoded), undefined)),
    barrier: (done) => clock.endOfTurn(() => done(undefined)),
    readStillValid: () => true,
    leading: () => 1,
    leader: () => node,
    members: () => [node],
    stop: () => timer.cancel(),
  };
}
