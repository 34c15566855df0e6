/**
 * The language of the single-decree transcripts: every node is a proposer, an acceptor and a learner, and nothing moves unless
 * it is told to. What an acceptor answers is shown with what it must have on its disk first.
 */
import type { Term } from "../consensus.ts";
import { roundOf, seatOf } from "./ballot.ts";
import { Acceptor, Proposer, type DecreeMessage } from "./single-decree.ts";

type Message = DecreeMessage<string>;

interface Packet {
  readonly from: string;
  readonly to: string;
  readonly message: Message;
}

export class DecreeTranscript {
  private readonly ids: readonly string[];
  private readonly acceptors = new Map<string, Acceptor<string>>();
  private readonly proposers = new Map<string, Proposer<string>>();
  private network: Packet[] = [];
  private output: string[] = [];

  constructor(ids: readonly string[]) {
    this.ids = ids;
    for (const id of ids) this.acceptors.set(id, new Acceptor());
  }

  run(line: string): string[] {
    this.output = [];
    const [verb = "", first = "", second = ""] = line.split(" ");
    if (verb === "propose") this.propose(first, second);
    else if (verb === "deliver") this.take(first, second).forEach((packet) => this.receive(packet));
    else if (verb === "lose") {
      for (const { from, to, message } of this.take(first, second)) {
        this.output.push(`lost ${from} -> ${to} ${message.type}`);
      }
    } else throw new Error(`unknown command ${verb}`);
    return this.output;
  }

  /** Begins a ballot, the first one or another. */
  private propose(id: string, value: string): void {
    const proposer = this.proposers.get(id) ?? new Proposer(this.ids.indexOf(id) + 1, this.ids, value);
    this.proposers.set(id, proposer);
    this.sendToAll(id, proposer.begin());
  }

  private take(links: string, type: string): Packet[] {
    const [from = "*", to = "*"] = links === "" ? [] : links.split("->");
    const fits = (side: string, id: string): boolean => side === "*" || side.split(",").includes(id);
    const chosen = this.network.filter(
      (each) => fits(from, each.from) && fits(to, each.to) && (type === "" || each.message.type === type),
    );
    this.network = this.network.filter((each) => !chosen.includes(each));
    return chosen;
  }

  private receive({ from, to, message }: Packet): void {
    const acceptor = this.acceptors.get(to)!;
    if (message.type === "prepare") return this.answer(to, from, acceptor.prepare(message.ballot));
    if (message.type === "accept")
      return this.answer(to, from, acceptor.accept(message.ballot, message.value));
    if (message.type === "learn") {
      this.output.push(`${to} learns ${message.value}`);
      return;
    }
    const next = this.proposers.get(to)?.receive(from, message);
    if (next !== undefined) this.sendToAll(to, next);
  }

  private answer(from: string, to: string, message: Message): void {
    const { promised, accepted } = this.acceptors.get(from)!.state;
    if (message.type !== "refused") {
      const held = accepted === undefined ? "" : `, accepted ${accepted.value}@${name(accepted.ballot)}`;
      this.output.push(`${from} stores promised ${name(promised)}${held}`);
    }
    this.send(from, to, message);
  }

  private sendToAll(from: string, message: Message): void {
    for (const to of this.ids) this.send(from, to, message);
  }

  private send(from: string, to: string, message: Message): void {
    this.network.push({ from, to, message });
    this.output.push(`${from} -> ${to} ${describe(message)}`);
  }
}

function name(ballot: Term): string {
  return `${roundOf(ballot)}.${seatOf(ballot)}`;
}

function describe(message: Message): string {
  switch (message.type) {
    case "prepare":
    case "accepted":
      return `${message.type} ${name(message.ballot)}`;
    case "promise": {
      const { accepted } = message;
      const found = accepted === undefined ? "nothing" : `${accepted.value}@${name(accepted.ballot)}`;
      return `promise ${name(message.ballot)}, accepted ${found}`;
    }
    case "accept":
      return `accept ${name(message.ballot)} ${message.value}`;
    case "refused":
      return `refused ${name(message.ballot)}, promised ${name(message.promised)}`;
    case "learn":
      return `learn ${message.value}`;
  }
}
