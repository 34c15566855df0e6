/**
 * Plays the transcripts of `transcripts/`: real replicas, whose clock, links and consensus are the script. What a leader seals
 * is chosen, or lost, when the script says so; who hears of it, too.
 */
import type { Consensus, Effect, Entry, Role, SnapshotMeta } from "../../consensus/consensus.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import { bytesFromUtf8, concatBytes } from "../../runtime/bytes.ts";
import type { Clock, NodeId, Timer } from "../../runtime/world.ts";
import { ByteReader } from "../../wire/byte-reader.ts";
import type { Batch } from "./batch.ts";
import { commandsOf, decodeBatch, openEntry } from "./batch.ts";
import { createMemoryStorage } from "./memory-storage.ts";
import { Replica } from "./replica.ts";
import type { SnapshotCut, StateMachine } from "./state-machine.ts";
import type { ReplicaStorage } from "./storage.ts";

/** Time stands still until the script lets it pass. */
class ScriptedClock implements Clock {
  private nowMs = 1_000_000;
  private timers: { atMs: number; run: () => void }[] = [];
  private turn: (() => void)[] = [];

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return this.nowMs;
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const timer = { atMs: this.nowMs + delayMs, run };
    this.timers.push(timer);
    return { cancel: () => void (this.timers = this.timers.filter((each) => each !== timer)) };
  }

  every(intervalMs: number, work: () => void): Timer {
    let timer = this.setTimer(intervalMs, () => strike());
    const strike = (): void => {
      timer = this.setTimer(intervalMs, strike);
      work();
    };
    return { cancel: () => timer.cancel() };
  }

  endOfTurn(run: () => void): void {
    this.turn.push(run);
  }

  endTurns(): void {
    for (let run = this.turn.shift(); run !== undefined; run = this.turn.shift()) run();
  }

  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const next = this.timers.sort((left, right) => left.atMs - right.atMs)[0];
      if (next === undefined || next.atMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.timers.shift();
      next.run();
      this.endTurns();
    }
    this.nowMs = endMs;
  }
}

/** Holds the texts that were applied; a reply is their number. */
class Texts implements StateMachine<string, number> {
  texts: string[] = [];

  decode(bytes: Bytes): string {
    return bytes.toString("utf8");
  }

  apply(command: string): number {
    return this.texts.push(command);
  }

  snapshot(): SnapshotCut {
    let left: Bytes | undefined = bytesFromUtf8(this.texts.join(" "));
    return {
      next() {
        const all = left;
        left = undefined;
        return all;
      },
      close: () => undefined,
    };
  }

  restore(chunks: Iterable<Bytes>): void {
    this.texts = concatBytes([...chunks])
      .toString("utf8")
      .split(" ")
      .filter((text) => text !== "");
  }

  digest(): number {
    return this.texts.length;
  }

  upkeep(): undefined {
    return undefined;
  }
}

interface Member {
  readonly id: NodeId;
  readonly machine: Texts;
  readonly replica: Replica<string, number, never>;
  effects: Effect<never>[];
  role: Role;
  commitIndex: number;
  /** Taken whenever something was applied. */
  newest: Kept | undefined;
}

interface Sent {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly frame: Bytes;
}

interface Kept {
  readonly index: number;
  readonly chunks: readonly Bytes[];
}

export class Transcript {
  private readonly clock = new ScriptedClock();
  private readonly members = new Map<NodeId, Member>();
  private readonly log: Entry[] = [];
  private readonly snapshots = new Map<NodeId, Kept>();
  private sealed: Bytes[] = [];
  private onLinks: Sent[] = [];
  private kept: Sent[] = [];
  private printed: string[] = [];
  private term = 0;
  private leader: NodeId | undefined;
  private lives = 0;
  private busyBytes = 0;

  /** Carries one command out, and gives what happened. */
  run(line: string): readonly string[] {
    this.printed = [];
    const [command = "", ...words] = line.split(" ");
    this.perform(command, words);
    this.clock.endTurns();
    return this.printed;
  }

  private perform(command: string, words: readonly string[]): void {
    const [first = "", second = ""] = words;
    switch (command) {
      case "nodes":
        for (const id of words) this.begin(id, undefined);
        return;
      case "lead":
        return this.lead(first, words.slice(1));
      case "write":
        return this.write(first, second);
      case "deliver":
        return this.deliver(this.take(first));
      case "drop":
        return void this.take(first);
      case "keep":
        this.kept = this.onLinks.filter((sent) => isOn(sent, first));
        return;
      case "again":
        return this.deliver(this.kept.map((sent) => (first === "" ? sent : { ...sent, to: first })));
      case "choose":
        return this.choose(words.length === 0 ? [...this.members.keys()] : words);
      case "lose":
        this.sealed = [];
        return;
      case "busy":
        this.busyBytes = Number(first);
        return;
      case "pass":
        return this.clock.pass(Number(first));
      case "snapshot":
        return this.keepSnapshot(this.member(first));
      case "restart":
        this.member(first).replica.stop();
        return this.begin(first, this.snapshots.get(second));
      case "state":
        return this.print(`${first} holds [${this.member(first).machine.texts.join(" ")}]`);
      default:
        throw new Error(`no such command: ${command}`);
    }
  }

  private print(line: string): void {
    this.printed.push(line);
  }

  private member(id: NodeId): Member {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`no node ${id}`);
    return member;
  }

  private begin(id: NodeId, from: Kept | undefined): void {
    const life = ++this.lives;
    const machine = new Texts();
    const member: Member = {
      id,
      machine,
      effects: [],
      role: "follower",
      commitIndex: from?.index ?? 0,
      newest: from,
      replica: new Replica<string, number, never>({
        id,
        directory: `directory of ${id}`,
        clock: this.clock,
        // The number of the registration tells one life from the next.
        random: { next32: () => life, float: () => 0.5 },
        logger: { log: () => undefined },
        consensus: this.consensusOf(() => member),
        codec: { encode: () => [], decode: () => unsent(), withChunk: () => unsent() },
        storage: this.storageOf(() => member),
        machine,
        recovered: from && { index: from.index, content: from.chunks },
        heartbeatIntervalMs: 50,
        entryMaxBytes: 1_000,
        commandMaxBytes: 1_000,
        requestTimeoutMs: 5_000,
        congestedBytes: 10_000,
        snapshotEveryBytes: 1,
        snapshotTrailingBytes: 0,
        every: (intervalMs, work) => this.clock.every(intervalMs, work),
        transmit: (to, _kind, parts) => this.send(id, to, concatBytes([...parts])),
        queuedBytes: () => this.busyBytes,
        onMembership: () => undefined,
        onRole: () => undefined,
        onDigest: () => undefined,
        fatal(error) {
          throw error;
        },
      }),
    };
    this.members.set(id, member);
    member.replica.start();
    if (this.leader === undefined) return;
    // It hears of the leader, and of all that is chosen.
    this.tellRole(member);
    this.tellChosen(member);
  }

  private storageOf(member: () => Member): ReplicaStorage {
    const saveSnapshot = (
      snapshot: Omit<SnapshotMeta, "sizeBytes">,
      cut: SnapshotCut,
      done: (error: Error | undefined, saved: SnapshotMeta | undefined) => void,
    ): void => {
      const chunks: Bytes[] = [];
      for (let chunk = cut.next(1_000); chunk !== undefined; chunk = cut.next(1_000)) chunks.push(chunk);
      member().newest = { index: snapshot.index, chunks };
      done(undefined, { ...snapshot, sizeBytes: 0 });
    };
    return { ...createMemoryStorage(this.clock), saveSnapshot };
  }

  private consensusOf(member: () => Member): Consensus<never> {
    return {
      step: (input) => {
        if (input.type !== "propose") return;
        this.sealed.push(input.payload);
        this.print(`${member().id} seals ${this.shown(input.payload)}`);
      },
      drain: () => member().effects.splice(0),
      status: () => ({
        role: member().role,
        term: this.term,
        leader: this.leader,
        commitIndex: member().commitIndex,
        firstIndex: 1,
        lastIndex: this.log.length,
        membership: { voters: [...this.members.keys()], outgoing: [], learners: [], addresses: {} },
        progress: new Map(),
        snapshotsInUse: [],
      }),
      accepts: () => member().role === "leader",
      leaseHolds: () => false,
      entry: (index) => this.log[index - 1],
      membershipAt: () => ({ voters: [], outgoing: [], learners: [], addresses: {} }),
    };
  }

  /** A new leader; those in `unaware` have not heard of it. */
  private lead(id: NodeId, unaware: readonly NodeId[]): void {
    this.term++;
    this.leader = id;
    this.sealed = [];
    for (const member of this.members.values()) if (!unaware.includes(member.id)) this.tellRole(member);
  }

  private tellRole(member: Member): void {
    member.role = member.id === this.leader ? "leader" : "follower";
    member.effects.push({ type: "role", role: member.role, term: this.term, leader: this.leader });
    this.wake(member);
  }

  private tellChosen(member: Member): void {
    const before = member.machine.texts.length;
    member.commitIndex = this.log.length;
    member.effects.push({ type: "commit", upTo: this.log.length });
    this.wake(member);
    this.clock.endTurns();
    const applied = member.machine.texts.slice(before);
    this.print(`${member.id} applies ${applied.length === 0 ? "nothing" : applied.join(", ")}`);
  }

  /** A turn of the replica, in which it looks at its effects. */
  private wake(member: Member): void {
    member.replica.suspect("nobody");
  }

  private write(id: NodeId, text: string): void {
    this.member(id).replica.propose(text, bytesFromUtf8(text), (reply, error) => {
      this.print(`${id} answers ${text}: ${error === undefined ? String(reply) : error.code}`);
    });
  }

  private send(from: NodeId, to: NodeId, frame: Bytes): void {
    this.onLinks.push({ from, to, frame });
    this.print(`${from} -> ${to} ${shownBatch(decodeBatch(new ByteReader(frame)))}`);
  }

  /** What is on a link ("n2->n1"), or on all. */
  private take(link: string): readonly Sent[] {
    const taken = this.onLinks.filter((sent) => isOn(sent, link));
    this.onLinks = this.onLinks.filter((sent) => !isOn(sent, link));
    return taken;
  }

  private deliver(sent: readonly Sent[]): void {
    for (const { from, to, frame } of sent) this.member(to).replica.receive(from, "batch", frame);
  }

  /** What was sealed is chosen, and these nodes hear of it. */
  private choose(hearing: readonly NodeId[]): void {
    for (const payload of this.sealed.splice(0)) {
      const index = this.log.length + 1;
      this.log.push({ index, term: this.term, kind: "command", payload });
      this.print(`entry ${index} is ${this.shown(payload)}`);
    }
    for (const id of hearing) this.tellChosen(this.member(id));
  }

  private keepSnapshot({ id, newest }: Member): void {
    if (newest === undefined) throw new Error(`${id} has applied nothing`);
    this.snapshots.set(id, newest);
    this.print(`${id} keeps a snapshot of entry ${newest.index}`);
  }

  private shown(payload: Bytes): string {
    return `[${openEntry(payload)
      .batches.map((batch) => `${batch.node} ${shownBatch(batch)}`)
      .join("; ")}]`;
  }
}

function isOn({ from, to }: Sent, link: string): boolean {
  return link === "" || `${from}->${to}` === link;
}

/** "4#2 a b": of session 4, number 2. */
function shownBatch({ kind, session, seq, abandonedFrom, body }: Batch): string {
  if (kind === "register") return "register";
  const given = abandonedFrom < seq ? ` (${abandonedFrom} to ${seq - 1} given up)` : "";
  const texts = commandsOf(body, (bytes) => bytes.toString("utf8"));
  return `${session}#${seq}${given} ${texts.join(" ")}`;
}

function unsent(): never {
  throw new Error("the script's consensus sends no messages");
}
