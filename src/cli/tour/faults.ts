/** The tour's faults: the leader is killed, the others elect, the dead one comes back and catches up. Several times. */
import { QuorateError } from "../../runtime/errors.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { Supervisor } from "../supervisor.ts";
import { formatDuration } from "../style.ts";
import { pause } from "./connection.ts";

const KILLS = 3;
/** Undisturbed work before each kill. */
const STEADY_MS = 1500;
/** How long a killed node stays away. */
const AWAY_MS = 1000;
const POLL_MS = 5;
const DEADLINE_MS = 30_000;

export interface FaultRecord {
  readonly killed: NodeId;
  readonly successor: NodeId;
  readonly electionMs: number;
  /** From the start of its process until it had applied what was committed. */
  readonly catchUpMs: number;
}

export interface FaultOptions {
  readonly supervisor: Supervisor;
  readonly ids: readonly NodeId[];
  readonly signal: AbortSignal;
  /** True once there is work to disturb. */
  readonly underWay: () => boolean;
  readonly onKill: () => void;
  readonly note: (line: string) => void;
}

/** Throws NO_QUORUM when nobody takes over, or a node does not come back, within half a minute. */
export async function killLeaders(options: FaultOptions): Promise<readonly FaultRecord[]> {
  const records: FaultRecord[] = [];
  await until(options, "work under way", () => Promise.resolve(options.underWay() || undefined));
  for (let kill = 0; kill < KILLS; kill++) {
    await pause(STEADY_MS, options.signal);
    records.push(await killOnce(options));
  }
  await pause(STEADY_MS, options.signal);
  return records;
}

async function killOnce(options: FaultOptions): Promise<FaultRecord> {
  const { supervisor, note } = options;
  const leader = await until(options, "a leader", () => supervisor.leader());
  options.onKill();
  const killedMs = performance.now();
  if (!supervisor.kill(leader.id)) throw new QuorateError("INVARIANT", `${leader.id} leads but does not run`);
  const successor = await until(options, "a new leader", async () => {
    const found = await supervisor.leader();
    return found && found.id !== leader.id && found.term > leader.term ? found : undefined;
  });
  const electionMs = performance.now() - killedMs;
  note(
    `SIGKILL to ${leader.id}, the leader of term ${leader.term}; ${successor.id} leads after ${formatDuration(electionMs)}`,
  );
  const catchUpMs = await comeBack(options, leader.id);
  return { killed: leader.id, successor: successor.id, electionMs, catchUpMs };
}

/** Kills any node and waits until it is back. `why`: such as "which runs a task". */
export async function killNode(options: FaultOptions, id: NodeId, why: string): Promise<void> {
  if (!options.supervisor.kill(id)) throw new QuorateError("INVARIANT", `${id} does not run`);
  options.note(`SIGKILL to ${id}, ${why}`);
  await comeBack(options, id);
}

/** Starts a killed node again; how long it took it to catch up, in milliseconds. */
async function comeBack(options: FaultOptions, id: NodeId): Promise<number> {
  const { supervisor, signal, note } = options;
  await pause(AWAY_MS, signal);
  const revivedMs = performance.now();
  await supervisor.revive(id);
  await until(options, `${id} to catch up`, async () => {
    const lead = await supervisor.leader();
    if (lead === undefined) return undefined;
    const [own, leading] = await Promise.all([supervisor.ask(id), supervisor.ask(lead.id)]);
    return own && leading && own.leader !== undefined && own.appliedIndex >= leading.commitIndex - 50
      ? true
      : undefined;
  });
  const catchUpMs = performance.now() - revivedMs;
  note(`${id} is back and caught up after ${formatDuration(catchUpMs)}`);
  return catchUpMs;
}

/** Asks again until there is an answer. */
async function until<T>(
  { signal }: FaultOptions,
  what: string,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) {
      throw new QuorateError("NO_QUORUM", `waited ${DEADLINE_MS / 1000} s for ${what}`);
    }
    await pause(POLL_MS, signal);
  }
}
