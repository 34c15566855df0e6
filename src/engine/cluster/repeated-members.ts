/**
 * The members of a group beside the keyspace: those of the keyspace's group, repeated by whoever leads the group.
 *
 * Nothing is remembered of how the keyspace's members came about. The leader looks at what they are, by a barrier, so that it
 * never repeats a membership older than one that was repeated before; and takes the next step towards it. A new leader goes
 * on where the last one stopped.
 */
import type { Membership } from "../../consensus/consensus.ts";
import type { MembershipGoal } from "../../consensus/membership.ts";
import { sameMembership } from "../../consensus/membership.ts";
import type { Clock, Logger, Timer } from "../../runtime/world.ts";
import type { AnyGroup } from "./hosted-group.ts";

/** How often a leader compares. */
const LOOK_MS = 100;

export class RepeatedMembers {
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly keyspace: AnyGroup;
  private readonly group: AnyGroup;
  /** A step is under way. */
  private busy = false;
  private timer: Timer | undefined;
  private stopped = false;

  constructor(
    world: { readonly clock: Clock; readonly logger: Logger },
    keyspace: AnyGroup,
    group: AnyGroup,
  ) {
    this.clock = world.clock;
    this.logger = world.logger;
    this.keyspace = keyspace;
    this.group = group;
  }

  start(): void {
    this.timer = this.clock.setTimer(LOOK_MS, () => {
      this.look();
      this.start();
    });
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private look(): void {
    if (this.busy) return;
    const { role, membership } = this.group.consensus();
    if (role !== "leader" || sameMembership(membership, this.keyspace.consensus().membership)) return;
    this.busy = true;
    this.keyspace.settledMembership((target) => {
      const step =
        target && !this.stopped ? stepTowards(this.group.consensus().membership, target) : undefined;
      if (step === undefined) this.busy = false;
      else this.take(step);
    });
  }

  private take(step: MembershipGoal): void {
    this.group.changeMembership(step, (refused) => {
      this.busy = false;
      if (refused === undefined) return;
      this.logger.log("info", "members not repeated yet", { group: this.group.id, reason: refused });
    });
  }
}

/**
 * The next change that brings `now` nearer to `target`; undefined when there is none, or when the target itself is about to
 * change. A name whose life is another one now loses its vote before the new life gets it: no majority counts both.
 */
export function stepTowards(now: Membership, target: Membership): MembershipGoal | undefined {
  if (target.outgoing.length > 0 || now.outgoing.length > 0 || sameMembership(now, target)) return undefined;
  const isReplaced = (id: string): boolean => {
    const meant = target.identities?.[id];
    return meant !== undefined && now.identities?.[id] !== meant;
  };
  const replaced = now.voters.filter(isReplaced);
  if (replaced.length === 0) return target;
  const voters = now.voters.filter((id) => !isReplaced(id));
  return voters.length === 0 ? undefined : { ...now, voters, learners: [...now.learners, ...replaced] };
}

/**
 * Whether every group has the members of the first, by barriers, so that no stale replica can say so; `done` is called once,
 * within a few seconds. False when no majority of one of them answers.
 */
export function haveAllFollowed(groups: readonly AnyGroup[], done: (followed: boolean) => void): void {
  const settled: (Membership | undefined)[] = [];
  for (const group of groups) {
    group.settledMembership((membership) => {
      settled.push(membership);
      if (settled.length < groups.length) return;
      const [first] = settled;
      done(first !== undefined && settled.every((each) => each !== undefined && sameMembership(each, first)));
    });
  }
}
