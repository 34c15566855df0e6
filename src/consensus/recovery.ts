/** A node's state after a restart: what the disk held, and nothing that it did not. */
import type { ConsensusOptions, Recovered } from "./consensus.ts";
import { Durability } from "./durability.ts";
import { FailureDetector, TickGauge } from "./failure-detector.ts";
import { MembershipHistory } from "./membership.ts";
import type { Policy } from "./policy.ts";
import { becomePreCandidate } from "./roles.ts";
import { idleRole, isNamed, mayCampaign, tellRole, type Core } from "./core.ts";

export function recover(
  policy: Policy,
  options: ConsensusOptions,
  recovered: Recovered,
  nowMs: number,
): Core {
  const log = policy.recoverLog(recovered);
  const { snapshot } = recovered;
  const history = new MembershipHistory({
    index: snapshot?.index ?? 0,
    term: snapshot?.term ?? 0,
    membership: snapshot?.membership ?? options.membership,
  });
  const commitIndex = snapshot?.index ?? 0;
  const { heartbeatIntervalMs, electionTimeoutMinMs, electionTimeoutMaxMs } = options;
  const core: Core = {
    policy,
    options,
    id: options.id,
    nowMs,
    role: "follower",
    term: recovered.term,
    votedFor: recovered.votedFor,
    leader: undefined,
    log,
    history,
    membership: history.latest.membership,
    commitIndex,
    commitTold: commitIndex,
    appliedIndex: commitIndex,
    snapshot,
    compactWanted: 0,
    newcomer: options.newcomer ?? false,
    named: false,
    floor: recovered.floor,
    durability: new Durability(log.lastIndex),
    write: {},
    effects: [],
    detector: new FailureDetector(heartbeatIntervalMs, electionTimeoutMinMs, electionTimeoutMaxMs, nowMs),
    leaderHeardMs: Number.NEGATIVE_INFINITY,
    ledTerm: 0,
    ticks: new TickGauge(heartbeatIntervalMs / 2, electionTimeoutMinMs / 2, nowMs),
    // Nobody is known to lead, and a pre-vote disturbs nobody: the first wait is short, so that a cluster starts fast.
    jitter: -0.9 + options.random() * 0.8,
    waitRestarted: false,
    suspectedAtMs: undefined,
    // It may have heard a leader just before it stopped, and that leader's lease relies on it.
    votesFromMs: options.readMode === "lease" ? nowMs + electionTimeoutMinMs : Number.NEGATIVE_INFINITY,
    verifiedIndex: commitIndex,
    leaderCommit: commitIndex,
    replyDue: false,
    unsentReads: [],
    forwarded: new Map(),
    // Attempts of an earlier life must not be mistaken for those of this one.
    lastAttempt: Math.floor(options.random() * 2 ** 48),
    receiver: undefined,
    candidacy: undefined,
    leadership: undefined,
    lastRound: 0,
  };
  policy.recovered(core, recovered);
  // A removal that is not committed yet does not make a member a newcomer again.
  core.named ||= history.some((membership) => isNamed(core, membership));
  if (core.named) core.newcomer = false;
  core.role = idleRole(core);
  core.effects.push({ type: "membership", membership: core.membership });
  tellRole(core);
  const { voters, outgoing } = policy.electorate(core);
  const alone = outgoing.length === 0 && voters.length === 1 && voters[0] === core.id;
  if (alone && mayCampaign(core)) becomePreCandidate(core);
  return core;
}
