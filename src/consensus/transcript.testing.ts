/**
 * The language of the transcripts: a few nodes, a network and disks that do nothing unless told to.
 *
 * A line that starts with `> ` is a command; what it prints follows. `settle` lets disks and network work until nothing is
 * left to do; `deliver`, `drop` and `disk` move single pieces. See `transcripts/README.md`.
 */
import { bytesFromLatin1, concatBytes, type Bytes } from "../runtime/bytes.ts";
import type {
  Input,
  Consensus,
  ConsensusOptions,
  DurableWrite,
  Effect,
  Entry,
  Floor,
  Membership,
  SnapshotMeta,
} from "./consensus.ts";
import { protocolOf, type Algorithm } from "./algorithms.ts";
import { DEFAULT_CONSENSUS_OPTIONS } from "./defaults.ts";
import {
  describeEntry,
  describeMembership,
  DESCRIBERS,
  describeWrite,
  type Describer,
} from "./describe.testing.ts";
import { floorOf } from "./disk.testing.ts";
import type { ConsensusMessage, Protocol } from "./protocol.ts";

interface Packet {
  readonly from: string;
  readonly to: string;
  readonly message: ConsensusMessage;
  /** Which life of the sender sent it, and whether that life has a say. */
  readonly identity: string;
  readonly newcomer: boolean;
}

interface Node {
  readonly id: string;
  /** The id, and a stroke for each life that was forgotten. */
  identity: string;
  /** Which life of a founder it heard first. */
  readonly heard: Map<string, string>;
  core: Consensus<ConsensusMessage> | undefined;
  term: number;
  votedFor: string | undefined;
  entries: Entry[];
  chosen: number;
  snapshot: { meta: SnapshotMeta; bytes: Bytes } | undefined;
  floor: Floor | undefined;
  writes: { id: number; write: DurableWrite }[];
  durableId: number;
  held: { packet: Packet; after: number }[];
  chunks: Bytes[];
  storing: { snapshot: SnapshotMeta; offset: number } | undefined;
  installing: SnapshotMeta | undefined;
  stalled: boolean;
  applied: number;
}

const STEPS_MAX = 2000;

export class Transcript {
  private readonly protocol: Protocol;
  private readonly describe: Describer;
  private readonly nodes = new Map<string, Node>();
  private readonly cuts = new Set<string>();
  private network: Packet[] = [];
  private kept: Packet[] = [];
  private now = 1000;
  private options: Partial<ConsensusOptions> = {};
  private founding: Membership = { voters: [], outgoing: [], learners: [], addresses: {} };
  private output: string[] = [];
  private chance = 0.5;

  constructor(algorithm: Algorithm) {
    this.protocol = protocolOf(algorithm);
    this.describe = DESCRIBERS[algorithm];
  }

  /** Runs one command and returns what it printed. */
  run(line: string): string[] {
    this.output = [];
    const [verb = "", ...rest] = line.split(" ").filter((word) => word !== "");
    const named = new Map(
      rest.filter((word) => word.includes("=")).map((word) => word.split("=") as [string, string]),
    );
    this.command(
      verb,
      rest.filter((word) => !word.includes("=")),
      named,
    );
    return this.output;
  }

  private command(
    verb: string,
    [first = "", second = "", ...more]: string[],
    named: Map<string, string>,
  ): void {
    const step = (input: Parameters<Consensus<ConsensusMessage>["step"]>[0]): void =>
      this.step(this.node(first), input);
    switch (verb) {
      case "cluster":
        return this.cluster(
          [first, second, ...more].filter((id) => id !== ""),
          named,
        );
      case "chance":
        this.chance = Number(first);
        return;
      case "wait":
        this.now += Number(first);
        return;
      case "tick":
        this.now += Number(second || "0");
        return step({ type: "tick" });
      case "beat":
        this.now += 50;
        return step({ type: "tick" });
      case "campaign":
        return this.campaign(this.node(first));
      case "lead":
        return this.lead(this.node(first));
      case "pass":
        return this.pass(Number(first), second === "" ? [...this.nodes.keys()] : second.split(","));
      case "propose":
        return step(proposal([second, ...more].join(" "), named.get("awaited")));
      case "announce":
        return step({ type: "announce" });
      case "read":
        return step({ type: "read", id: Number(second) });
      case "suspect":
        return step({ type: "suspect", peer: second });
      case "arriving":
        return step({ type: "arriving", peer: second });
      case "transfer":
        return step(second === "" ? { type: "transfer" } : { type: "transfer", to: second });
      case "change":
        return this.change(first, Number(second), named);
      case "snapshot":
        return this.snapshot(this.node(first), Number(named.get("keep") ?? "0"));
      case "disk":
        return this.disk(this.node(first));
      case "damage": {
        const node = this.node(first);
        const { snapshot, offset } = node.storing!;
        node.storing = undefined;
        return step({ type: "chunkStored", snapshotIndex: snapshot.index, offset, valid: false });
      }
      case "stall":
      case "unstall":
        this.node(first).stalled = verb === "stall";
        return;
      case "cut":
      case "join":
        for (const link of this.links(first)) this.cuts[verb === "cut" ? "add" : "delete"](link);
        return;
      case "deliver":
      case "drop":
      case "keep":
        return this.move(verb, this.links(first), second);
      case "again":
        this.network.push(...this.kept.splice(0));
        return;
      case "settle":
        return this.settle();
      case "crash":
        return this.crash(this.node(first));
      case "lose":
        return this.lose(this.node(first), Number(second));
      case "forget":
        return this.forget(this.node(first));
      case "found":
        return step({ type: "found" });
      case "restart":
        return this.start(this.node(first));
      case "accepts":
        return this.print(`${String(this.node(first).core!.accepts(Number(second)))}`);
      case "lease":
        return this.print(this.node(first).core!.leaseHolds(this.now) ? "holds" : "does not hold");
      case "log":
        return this.print(this.describeLog(this.node(first)));
      case "state":
        for (const node of first === "" ? this.nodes.values() : [this.node(first)])
          this.print(this.describeNode(node));
        return;
      case "progress":
        return this.progress(this.node(first));
      default:
        throw new Error(`unknown command ${verb}`);
    }
  }

  private print(line: string): void {
    this.output.push(line);
  }

  private node(id: string): Node {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`unknown node ${id}`);
    return node;
  }

  private cluster(ids: string[], named: Map<string, string>): void {
    const spare = (named.get("spare") ?? "").split(",").filter((id) => id !== "");
    this.founding = {
      voters: ids,
      outgoing: [],
      learners: [],
      addresses: Object.fromEntries(ids.map((id) => [id, id])),
    };
    const mode = named.get("readMode") === "lease" ? { readMode: "lease" as const } : {};
    const numbers = [...named]
      .filter(([, value]) => /^\d+$/.test(value))
      .map(([key, value]) => [key, Number(value)]);
    this.options = { snapshotChunkBytes: 4, ...Object.fromEntries(numbers), ...mode };
    for (const id of [...ids, ...spare]) {
      const node: Node = {
        id,
        identity: id,
        heard: new Map(),
        core: undefined,
        term: 0,
        votedFor: undefined,
        entries: [],
        chosen: 0,
        snapshot: undefined,
        floor: undefined,
        writes: [],
        durableId: 0,
        held: [],
        chunks: [],
        storing: undefined,
        installing: undefined,
        stalled: false,
        applied: 0,
      };
      this.nodes.set(id, node);
      this.start(node, false);
    }
  }

  private start(node: Node, say = true): void {
    const { term, votedFor, entries, snapshot, floor, chosen } = node;
    const options: ConsensusOptions = {
      ...DEFAULT_CONSENSUS_OPTIONS,
      ...this.options,
      id: node.id,
      membership: this.founding,
      identity: node.identity,
      newcomer: node.identity !== node.id,
      random: () => this.chance,
    };
    node.core = this.protocol.create(
      options,
      { term, votedFor, snapshot: snapshot?.meta, entries: [...entries], floor, chosen },
      this.now,
    );
    node.applied = snapshot?.meta.index ?? 0;
    node.durableId = 0;
    if (say) this.collect(node);
    else
      for (const effect of node.core.drain())
        if (effect.type !== "membership" && effect.type !== "role") this.carryOut(node, effect);
  }

  private crash(node: Node): void {
    node.core = undefined;
    node.writes = [];
    node.held = [];
    node.chunks = [];
    node.storing = undefined;
    node.installing = undefined;
  }

  /** A stopped node lost everything: what comes back under its name is another. */
  private forget(node: Node): void {
    node.identity += "'";
    node.heard.clear();
    node.term = 0;
    node.votedFor = undefined;
    node.entries = [];
    node.chosen = 0;
    node.snapshot = undefined;
    node.floor = undefined;
  }

  /** What the driver sees to: nobody listens to a life of a name that its members do not mean. */
  private receive({ from, to, message, identity, newcomer }: Packet): void {
    const node = this.node(to);
    const meant = node.core?.status(this.now).membership.identities?.[from];
    if (meant === undefined && !newcomer && !node.heard.has(from)) node.heard.set(from, identity);
    if (identity !== (meant ?? (newcomer ? undefined : node.heard.get(from)))) return;
    this.step(node, { type: "message", from, message });
  }

  /** Bit rot in a stopped node: its entries from `from` on are gone, and its snapshot if that reaches so far. */
  private lose(node: Node, from: number): void {
    const last = node.entries.at(-1) ?? node.snapshot?.meta;
    if (last !== undefined) node.floor = floorOf(node.floor, last, node.term, this.protocol.entriesKeepTerm);
    node.entries = node.entries.filter((entry) => entry.index < from);
    if (node.snapshot !== undefined && node.snapshot.meta.index >= from) node.snapshot = undefined;
  }

  private step(node: Node, input: Parameters<Consensus<ConsensusMessage>["step"]>[0]): void {
    if (node.core === undefined) return;
    node.core.step(input, this.now);
    this.collect(node);
  }

  private collect(node: Node): void {
    for (const effect of node.core!.drain()) this.carryOut(node, effect);
  }

  private campaign(node: Node): void {
    for (let step = 0; step < 200; step += 1) {
      const { role } = node.core!.status(this.now);
      if (role === "precandidate" || role === "leader") return;
      this.now += 25;
      this.step(node, { type: "tick" });
    }
  }

  /** Elects a node without showing how. */
  private lead(node: Node): void {
    this.campaign(node);
    this.settle();
    const { role, term } = node.core!.status(this.now);
    if (role !== "leader") throw new Error(`${node.id} was not elected`);
    // Everyone looks at the clock and hears a heartbeat: what follows starts from rest.
    this.now += 50;
    for (const each of this.nodes.values()) this.step(each, { type: "tick" });
    this.settle();
    this.output = [`${node.id} leads, ${this.describe.word} ${this.describe.term(term)}`];
  }

  /** Time passes for these nodes; heartbeats are not shown. */
  private pass(milliseconds: number, ids: readonly string[]): void {
    for (let passed = 0; passed < milliseconds; passed += 25) {
      this.now += 25;
      for (const id of ids) this.step(this.node(id), { type: "tick" });
      this.settle();
    }
    this.output = this.output.filter((line) => !line.includes(" heartbeat"));
  }

  private change(id: string, changeId: number, named: Map<string, string>): void {
    const list = (key: string): string[] => (named.get(key) ?? "").split(",").filter((each) => each !== "");
    const voters = list("voters");
    const learners = list("learners");
    const addresses = Object.fromEntries([...voters, ...learners].map((each) => [each, each]));
    const identities = Object.fromEntries(list("new").map((each) => [each, this.node(each).identity]));
    const goal = { voters, learners, addresses, identities };
    this.step(this.node(id), { type: "changeMembership", id: changeId, ...goal });
  }

  private snapshot(node: Node, keep: number): void {
    const index = node.applied;
    const bytes = bytesFromLatin1(`state at ${index}`);
    const core = node.core!;
    const term = core.entry(index)!.term;
    const meta = { index, term, membership: core.membershipAt(index), sizeBytes: bytes.length };
    node.snapshot = { meta, bytes };
    this.step(node, { type: "compact", snapshot: meta, keepFrom: index + 1 - keep });
    node.entries = node.entries.filter((entry) => entry.index >= core.status(this.now).firstIndex);
  }

  /** Completes the writes of a node, and one piece of a snapshot. */
  private disk(node: Node): void {
    const { writes } = node;
    node.writes = [];
    for (const { id, write } of writes) {
      storeWrite(node, write);
      node.durableId = id;
      this.step(node, { type: "durable", writeId: id });
    }
    const free = node.held.filter((each) => each.after <= node.durableId);
    node.held = node.held.filter((each) => each.after > node.durableId);
    this.network.push(...free.map((each) => each.packet));
    const { storing, installing } = node;
    if (storing !== undefined) {
      node.storing = undefined;
      const { snapshot, offset } = storing;
      this.step(node, { type: "chunkStored", snapshotIndex: snapshot.index, offset, valid: true });
    } else if (installing !== undefined) {
      node.installing = undefined;
      node.snapshot = { meta: installing, bytes: concatBytes(node.chunks) };
      node.applied = installing.index;
      this.print(`${node.id} restored "${node.snapshot.bytes.toString("latin1")}"`);
      this.step(node, { type: "installed", snapshot: installing });
    }
  }

  private links(text: string): string[] {
    const ids = [...this.nodes.keys()];
    if (text === "") return ids.flatMap((from) => ids.map((to) => `${from}->${to}`));
    if (!text.includes("->")) return ids.flatMap((id) => [`${text}->${id}`, `${id}->${text}`]);
    const [from = "", to = ""] = text.split("->");
    const of = (side: string): string[] => (side === "*" ? ids : side.split(","));
    return of(from).flatMap((left) => of(to).map((right) => `${left}->${right}`));
  }

  /** Delivers, drops or copies (for `again`) what is on these links now; with a type, only messages of that type. */
  private move(verb: "deliver" | "drop" | "keep", links: readonly string[], type: string): void {
    const chosen = (packet: Packet): boolean =>
      links.includes(`${packet.from}->${packet.to}`) && (type === "" || packet.message.type === type);
    const packets = this.network.filter(chosen);
    if (verb === "keep") {
      this.kept.push(...packets);
      return;
    }
    this.network = this.network.filter((packet) => !chosen(packet));
    if (verb === "drop") {
      for (const { from, to, message } of packets) this.print(`lost ${from} -> ${to} ${message.type}`);
      return;
    }
    for (const packet of packets) this.receive(packet);
  }

  private settle(): void {
    for (let step = 0; step < STEPS_MAX; step += 1) {
      const busy = [...this.nodes.values()].find(
        (node) =>
          !node.stalled &&
          (node.writes.length > 0 || node.storing !== undefined || node.installing !== undefined),
      );
      const packet = this.network.shift();
      if (packet !== undefined) {
        if (!this.cuts.has(`${packet.from}->${packet.to}`)) this.receive(packet);
      } else if (busy !== undefined) this.disk(busy);
      else return;
    }
    throw new Error("it never settles");
  }

  private carryOut(node: Node, effect: Effect<ConsensusMessage>): void {
    switch (effect.type) {
      case "write":
        node.writes.push(effect);
        return this.print(`${node.id} writes ${describeWrite(effect.write, this.describe)}`);
      case "send":
        return this.transmit(node, effect.to, effect.message, effect.after);
      case "sendChunk": {
        const chunk = node.snapshot!.bytes.subarray(effect.offset, effect.offset + effect.length);
        return this.transmit(node, effect.to, this.protocol.withChunk(effect.message, chunk), 0);
      }
      case "commit":
        this.print(`${node.id} commits ${effect.upTo}`);
        node.applied = effect.upTo;
        return;
      case "read":
        return this.print(
          `${node.id} may read at ${effect.index} (read ${effect.id}${effect.lease ? ", lease" : ""})`,
        );
      case "readFailed":
        return this.print(`${node.id} cannot read now (read ${effect.id})`);
      case "role": {
        const leader = effect.leader === undefined ? "" : `, leader ${effect.leader}`;
        const found = effect.found ? `, found commands of ${this.describe.term(effect.found)}` : "";
        return this.print(
          `${node.id} is ${effect.role}, ${this.describe.word} ${this.describe.term(effect.term)}${leader}${found}`,
        );
      }
      case "membership":
        return this.print(`${node.id} has members ${describeMembership(effect.membership)}`);
      case "membershipChange":
        return this.print(`${node.id} ends change ${effect.id}: ${effect.refused ?? "done"}`);
      case "storeChunk":
        if (effect.offset === 0) node.chunks = [];
        node.chunks.push(effect.chunk);
        node.storing = { snapshot: effect.snapshot, offset: effect.offset + effect.chunk.length };
        return this.print(
          `${node.id} stores bytes ${effect.offset} to ${node.storing.offset} of snapshot ${effect.snapshot.index}`,
        );
      case "install":
        node.installing = effect.snapshot;
        return this.print(`${node.id} installs snapshot ${effect.snapshot.index}`);
    }
  }

  private transmit(node: Node, to: string, message: ConsensusMessage, after: number): void {
    const newcomer = node.core?.status(this.now).newcomer ?? false;
    const packet = { from: node.id, to, message, identity: node.identity, newcomer };
    const waits = after > node.durableId;
    if (waits) node.held.push({ packet, after });
    else this.network.push(packet);
    this.print(`${node.id} -> ${to} ${this.describe.message(message)}${waits ? ", once written" : ""}`);
  }

  private describeNode(node: Node): string {
    if (node.core === undefined) return `${node.id} is down`;
    const { role, term, leader, commitIndex, firstIndex, lastIndex, recovering, newcomer } = node.core.status(
      this.now,
    );
    const { word } = this.describe;
    const floor =
      recovering === undefined ? "" : ` floor=${recovering.index}@${this.describe.term(recovering.term)}`;
    return `${node.id} ${role} ${word}=${this.describe.term(term)} leader=${leader ?? "-"} commit=${commitIndex} log=${firstIndex}..${lastIndex}${floor}${newcomer === true ? " newcomer" : ""}`;
  }

  private describeLog(node: Node): string {
    const { firstIndex, lastIndex } = node.core!.status(this.now);
    const entries = Array.from({ length: lastIndex - firstIndex + 1 }, (_, at) =>
      node.core!.entry(firstIndex + at),
    );
    const texts = entries.map((entry, at) =>
      entry === undefined ? `${firstIndex + at}:empty` : describeEntry(entry, this.describe),
    );
    return texts.join(" ") || "empty";
  }

  private progress(node: Node): void {
    for (const [id, peer] of node.core!.status(this.now).progress) {
      this.print(
        `${id} ${peer.state} match=${peer.matchIndex} next=${peer.nextIndex} inflight=${peer.inflightBytes}B`,
      );
    }
  }
}

function storeWrite(node: Node, write: DurableWrite): void {
  if (write.ballot !== undefined) {
    node.term = write.ballot.term;
    node.votedFor = write.ballot.votedFor;
  }
  if (write.floor !== undefined) node.floor = write.floor === "reached" ? undefined : write.floor;
  if (write.snapshot !== undefined) {
    const { index, term } = write.snapshot;
    const agrees = node.entries.some((entry) => entry.index === index && entry.term === term);
    const stay = agrees || write.slots === true;
    node.entries = stay ? node.entries.filter((entry) => entry.index > index) : [];
  }
  node.chosen = write.chosen ?? node.chosen;
  const first = write.entries?.[0];
  if (first === undefined) return;
  const replaced = new Set(write.entries!.map(({ index }) => index));
  const stays = ({ index }: Entry): boolean =>
    write.slots === true ? !replaced.has(index) : index < first.index;
  node.entries = [...node.entries.filter(stays), ...write.entries!].sort(
    (left, right) => left.index - right.index,
  );
}

/** `awaited`: the peers that wait for its commit, "none", or undefined for all. */
function proposal(
  text: string,
  awaited: string | undefined,
): Extract<Input<ConsensusMessage>, { type: "propose" }> {
  const payload = bytesFromLatin1(text);
  if (awaited === undefined) return { type: "propose", payload };
  return { type: "propose", payload, awaitedBy: awaited === "none" ? [] : awaited.split(",") };
}
