/**
 * Changes of members, as operators want them: a node is added, removed, or takes the place of its last life.
 *
 * The consensus core carries a change through: newcomers learn first, then joint consensus. What is decided here is whether
 * a change makes sense, and its steps. Of a replacement: the old life loses its vote, and only when that is committed does the
 * new one learn and get it. So no majority ever counts the two lives as one.
 *
 * Where the node hosts several groups, the others repeat each step before the next: who is added learns in all of them
 * before it gets a vote in any, and who is removed has no vote in any before it is forgotten. So a node that fails costs no
 * group more than another.
 */
import type { ConsensusStatus, Membership } from "../../consensus/consensus.ts";
import type { MembershipGoal } from "../../consensus/membership.ts";
import { members } from "../../consensus/membership.ts";
import type { Clock, NodeId } from "../../runtime/world.ts";
import type { Greeting } from "./frames.ts";

export const MEMBER_ACTIONS = ["add", "remove", "replace"] as const;
export type MemberAction = (typeof MEMBER_ACTIONS)[number];

export interface MemberOrder {
  readonly action: MemberAction;
  readonly node: NodeId;
}

/** `unknown`: it may have been begun, or may still be done; look at the members. */
export interface MemberOutcome {
  readonly outcome: "done" | "refused" | "unknown";
  /** What was done, or why not. */
  readonly message: string;
}

/** What a leader knows and can do. */
export interface LeaderView {
  readonly self: NodeId;
  readonly clock: Clock;
  status(): ConsensusStatus;
  greetingOf(id: NodeId): Greeting | undefined;
  isLive(id: NodeId): boolean;
  change(goal: MembershipGoal, done: (refused: string | undefined) => void): void;
  /** Whether this node hosts groups beside the keyspace, which repeat its members. */
  hasFurtherGroups(): boolean;
  /** Whether all of them have; `done` is called once, within a few seconds. */
  haveFollowed(done: (followed: boolean) => void): void;
  /** Whether a peer has what those groups have applied here by now: the answer is asked for later, perhaps again. */
  noteProgress(): (peer: NodeId) => boolean;
}

/** A newcomer that has much to fetch may take longer; it is reported as unknown then, and goes on. */
export { MEMBERS_MAX } from "../../consensus/membership.ts";

export const CHANGE_TIMEOUT_MS = 30_000;

/** How often, and how many times, a change is tried again that another is in the way of. */
const PATIENCE_MS = 100;
const PATIENCE = 30;

type Step = MembershipGoal | { readonly refused: string };

export class MemberChanges {
  private readonly view: LeaderView;
  private busy = false;

  constructor(view: LeaderView) {
    this.view = view;
  }

  /** True while a change that was asked for here has not come to its end. */
  get underWay(): boolean {
    return this.busy;
  }

  /** Why the order makes no sense, or undefined. */
  refusal(order: MemberOrder): string | undefined {
    const step = this.firstStep(order);
    return "refused" in step ? step.refused : undefined;
  }

  /** At the leader. `done` is called once, within `CHANGE_TIMEOUT_MS`. */
  carryOut(order: MemberOrder, done: (outcome: MemberOutcome) => void): void {
    if (this.busy) return done({ outcome: "refused", message: "another change of members is under way" });
    const first = this.firstStep(order);
    if ("refused" in first) return done({ outcome: "refused", message: first.refused });
    if (this.view.status().role !== "leader") return done(failure("this node is not the leader"));
    let answered = false;
    const answer = (outcome: MemberOutcome): void => {
      if (answered) return;
      answered = true;
      timer.cancel();
      done(outcome);
    };
    const end = (outcome: MemberOutcome): void => {
      this.busy = false;
      answer(outcome);
    };
    const timer = this.view.clock.setTimer(CHANGE_TIMEOUT_MS, () => answer(UNFINISHED));
    this.busy = true;
    if (!this.view.hasFurtherGroups()) return this.advance(order, first, end);
    this.awaitGroups(PATIENCE * PATIENCE_MS, undefined, (followed) => {
      if (followed) this.advance(order, first, end);
      else
        end({ outcome: "refused", message: "not every group has followed the last change of members yet" });
    });
  }

  /** Takes a step, waits for the other groups to repeat it, and goes on with the next. */
  private advance(
    order: MemberOrder,
    step: MembershipGoal,
    end: (outcome: MemberOutcome) => void,
    isFirst = true,
  ): void {
    const { action, node } = order;
    this.change(step, PATIENCE, (refused) => {
      if (refused !== undefined) return end(isFirst ? failure(refused) : halfway(order, refused));
      const goOn = (): void => {
        const next = this.nextStep(order);
        if (next === undefined) return end({ outcome: "done", message: DONE[action](node) });
        if ("refused" in next) return end(halfway(order, next.refused));
        this.advance(order, next, end, false);
      };
      if (!this.view.hasFurtherGroups()) return goOn();
      // Before it gets a vote it has caught up everywhere: the groups follow each other at once then.
      const learner = action !== "remove" && step.learners.includes(node) ? node : undefined;
      this.awaitGroups(CHANGE_TIMEOUT_MS, learner, (followed) => (followed ? goOn() : end(UNFINISHED)));
    });
  }

  /** Asks for so long whether all groups have the members of the keyspace, and `learner`, if it is one, what is in them. */
  private awaitGroups(limitMs: number, learner: NodeId | undefined, done: (followed: boolean) => void): void {
    const { clock } = this.view;
    const endMs = clock.monotonicMs() + limitMs;
    const hasCaughtUp = this.view.noteProgress();
    const ask = (): void => {
      this.view.haveFollowed((followed) => {
        const isBehind = learner !== undefined && this.isNewLife(learner) && !hasCaughtUp(learner);
        if (followed && !isBehind) return done(true);
        if (clock.monotonicMs() >= endMs) return done(false);
        clock.setTimer(PATIENCE_MS, ask);
      });
    };
    ask();
  }

  /** A leadership that has just begun, or a change that an earlier one left behind, is soon through. */
  private change(goal: MembershipGoal, times: number, done: (refused: string | undefined) => void): void {
    this.view.change(goal, (refused) => {
      const isPassing = refused !== undefined && /just begun|under way/.test(refused);
      if (!isPassing || times === 0) return done(refused);
      this.view.clock.setTimer(PATIENCE_MS, () => this.change(goal, times - 1, done));
    });
  }

  private firstStep(order: MemberOrder): Step {
    const { action, node } = order;
    const { membership } = this.view.status();
    switch (action) {
      case "add":
        if (!membership.voters.includes(node)) return this.addition(node);
        return { refused: this.isReplaceable(node, membership) ? LOST(node) : `${node} is a member already` };
      case "remove":
        return this.removal(node, membership);
      case "replace":
        return this.replacement(node, membership);
    }
  }

  /** What is left to do, or undefined. */
  private nextStep({ action, node }: MemberOrder): Step | undefined {
    const { membership } = this.view.status();
    if (action === "remove") {
      return members(membership).includes(node) ? this.removal(node, membership) : undefined;
    }
    if (!membership.voters.includes(node)) return this.addition(node);
    return this.isReplaceable(node, membership) ? this.replacement(node, membership) : undefined;
  }

  /** The newcomer becomes a voter; until it has caught up it learns. */
  private addition(node: NodeId): Step {
    const { membership } = this.view.status();
    const greeting = this.view.greetingOf(node);
    if (greeting?.directory === undefined || !this.view.isLive(node)) {
      return { refused: `${node} is not in sight: start it with --join first` };
    }
    const address = greeting.peer ?? membership.addresses[node];
    if (address === undefined) return { refused: `${node} does not say where its peer port is` };
    const taken = members(membership).find((id) => id !== node && membership.addresses[id] === address);
    if (taken !== undefined && membership.addresses[node] !== address)
      return { refused: `${address} is the address of ${taken}` };
    const others = membership.learners.filter((id) => id !== node);
    const isLearner = others.length < membership.learners.length && this.isNewLife(node);
    const learnsFirst = this.view.hasFurtherGroups() && !isLearner;
    return {
      voters: learnsFirst ? membership.voters : [...membership.voters, node],
      learners: learnsFirst ? [...others, node] : others,
      addresses: { ...membership.addresses, [node]: address },
      identities: { ...membership.identities, [node]: greeting.directory },
    };
  }

  /** The members mean the directory that answers to the name. */
  private isNewLife(node: NodeId): boolean {
    const directory = this.view.greetingOf(node)?.directory;
    return directory !== undefined && this.view.status().membership.identities?.[node] === directory;
  }

  private removal(node: NodeId, membership: Membership): Step {
    if (!members(membership).includes(node)) return { refused: `${node} is no member` };
    const voters = membership.voters.filter((id) => id !== node);
    if (voters.length === 0) return { refused: `${node} is the only voter` };
    const live = voters.filter((id) => this.isListenedTo(id, membership));
    if (live.length <= voters.length / 2) {
      return { refused: `only ${live.length} of the ${voters.length} voters that are left can be reached` };
    }
    const learners = membership.learners.filter((id) => id !== node);
    const isVoter = membership.voters.includes(node);
    // It is heard of until it has no vote in any group.
    return {
      ...membership,
      voters,
      learners: isVoter && this.view.hasFurtherGroups() ? [...learners, node] : learners,
    };
  }

  private replacement(node: NodeId, membership: Membership): Step {
    if (!members(membership).includes(node)) return { refused: `${node} is no member: add it instead` };
    // An earlier order came so far: it learns, under the directory that it has.
    if (!membership.voters.includes(node) && this.isNewLife(node)) return this.addition(node);
    if (!this.isReplaceable(node, membership)) {
      const seen = node === this.view.self || this.view.isLive(node);
      return {
        refused: seen
          ? `${node} runs with the data directory that the cluster knows: stop it first`
          : `${node} is not in sight: start it with a new data directory first`,
      };
    }
    if (!membership.voters.includes(node)) return this.addition(node);
    const voters = membership.voters.filter((id) => id !== node);
    const live = voters.filter((id) => this.isListenedTo(id, membership));
    if (live.length < Math.floor(membership.voters.length / 2) + 1) {
      return {
        refused: `without ${node} only ${live.length} of ${membership.voters.length} voters can be reached`,
      };
    }
    return { ...membership, voters, learners: [...membership.learners, node] };
  }

  /** What answers to the name is a newcomer with another directory than the members mean. */
  private isReplaceable(node: NodeId, membership: Membership): boolean {
    const greeting = this.view.greetingOf(node);
    const isNewcomer = greeting?.newcomer === true && this.view.isLive(node);
    return isNewcomer && membership.identities?.[node] !== greeting.directory;
  }

  private isListenedTo(id: NodeId, membership: Membership): boolean {
    return id === this.view.self || (this.view.isLive(id) && !this.isReplaceable(id, membership));
  }
}

const LOST = (node: NodeId): string => `${node} is a member that lost its data directory: replace it instead`;

/** What became of it. */
export const DONE: Readonly<Record<MemberAction, (node: NodeId) => string>> = {
  add: (node) => `${node} is a voter`,
  remove: (node) => `${node} is no member any more`,
  replace: (node) => `${node} is a voter again, with its new data directory`,
};

/** The core ends a change without an answer when its leadership ends: others may finish it. */
function failure(refused: string): MemberOutcome {
  return { outcome: refused.includes("leadership ended") ? "unknown" : "refused", message: refused };
}

function halfway({ action, node }: MemberOrder, reason: string): MemberOutcome {
  return { outcome: "unknown", message: `${HALFWAY[action](node)} (${reason}): ${AGAIN[action]} it again` };
}

const HALFWAY: Readonly<Record<MemberAction, (node: NodeId) => string>> = {
  add: (node) => `${node} learns and did not get a vote`,
  remove: (node) => `${node} lost its vote and is still a member`,
  replace: (node) => `${node} lost its vote and did not get it back`,
};
const AGAIN: Readonly<Record<MemberAction, string>> = { add: "add", remove: "remove", replace: "add" };

const UNFINISHED: MemberOutcome = {
  outcome: "unknown",
  message: "it goes on, and takes longer than was waited for",
};
