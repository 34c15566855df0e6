/** A node's state after a restart: what the disk held, and nothing that it did not. */
import { assert } from "../../runtime/errors.ts";
import type { ConsensusOptions, Recovered } from "../consensus.ts";
import { Durability } from "../durability.ts";
import { FailureDetector, TickGauge } from "../failure-detector.ts";
import { Log } from "../log.ts";
import { decodeMembership, MembershipHistory } from "../membership.ts";
import { becomePreCandidate } from "./roles.ts";
import { idleRole, isNamed, mayCampaign, recordSnapshot, tellRole, type Raft } from "./state.ts";

export function recover(options: ConsensusOptions, recovered: Recovered, nowMs: number): Raft {
  const log = recoverLog(recovered);
  const history = recoverHistory(options, recovered, log);
  const commitIndex = recovered.snapshot?.index ?? 0;
  const { heartbeatIntervalMs, electionTimeoutMinMs, electionTimeoutMaxMs } = options;
  assert(recovered.term >= log.lastTerm, `term ${recovered.term} is behind the log's ${log.lastTerm}`);
  const raft: Raft = {
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
    snapshot: recovered.snapshot,
    compactWanted: 0,
    newcomer: options.newcomer ?? false,
    named: false,
    floor: recovered.floor,
    durability: new Durability(log.lastIndex),
    write: {},
    effects: [],
    detector: new FailureDetector(heartbeatIntervalMs, electionTimeoutMinMs, electionTimeoutMaxMs, nowMs),
    leaderHeardMs: Number.NEGATIVE_INFINITY,
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
  // A removal that is not committed yet does not make a member a newcomer again.
  raft.named = history.some((membership) => isNamed(raft, membership));
  if (raft.named) raft.newcomer = false;
  raft.role = idleRole(raft);
  raft.effects.push({ type: "membership", membership: raft.membership });
  const stored = recovered.entries[recovered.entries.length - 1]?.index ?? 0;
  // What the disk holds does not lead to the snapshot: it must not be found in front of what is stored from now on.
  if (recovered.snapshot !== undefined && stored > 0 && log.entry(stored) === undefined) {
    recordSnapshot(raft, recovered.snapshot);
  }
  tellRole(raft);
  const { voters, outgoing } = raft.membership;
  const alone = outgoing.length === 0 && voters.length === 1 && voters[0] === raft.id;
  if (alone && mayCampaign(raft)) becomePreCandidate(raft);
  return raft;
}

/** The log after the snapshot, or a longer one that agrees with it. */
function recoverLog({ snapshot, entries }: Recovered): Log {
  const after = snapshot === undefined ? new Log(0, 0) : new Log(snapshot.index, snapshot.term);
  const first = entries[0];
  if (first === undefined) return after;
  assert(first.index <= after.firstIndex, `the stored log starts at ${first.index}, after a gap`);
  // What came before an older start is not known, so that the first entry serves as the base.
  const log = first.index === after.firstIndex ? after : new Log(first.index, first.term);
  for (const entry of entries) if (entry.index > log.lastIndex) log.append(entry);
  if (snapshot === undefined || log.term(snapshot.index) === snapshot.term) return log;
  // It ends before the snapshot, or contradicts it: the crash came between installing it and resetting the log.
  return new Log(snapshot.index, snapshot.term);
}

function recoverHistory(options: ConsensusOptions, recovered: Recovered, log: Log): MembershipHistory {
  const { snapshot } = recovered;
  const history = new MembershipHistory({
    index: snapshot?.index ?? 0,
    term: snapshot?.term ?? 0,
    membership: snapshot?.membership ?? options.membership,
  });
  for (let index = (snapshot?.index ?? 0) + 1; index <= log.lastIndex; index += 1) {
    const entry = log.entry(index);
    if (entry?.kind !== "membership") continue;
    history.append({ index, term: entry.term, membership: decodeMembership(entry.payload) });
  }
  return history;
}
