/**
 * Single-decree Paxos: its transcripts, and under every order of events that a seed draws.
 * `CONSENSUS_TRANSCRIPTS=rewrite` writes the output anew.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ballotOf } from "./ballot.ts";
import { DecreeTranscript } from "./single-decree.testing.ts";
import { Acceptor, highestAccepted, Proposer, type DecreeMessage } from "./single-decree.ts";

const FOLDER = new URL("./single-decree/", import.meta.url);

function play(text: string): string {
  const transcript = new DecreeTranscript(["n1", "n2", "n3"]);
  return text
    .split("\n")
    .filter((line) => !line.startsWith("    "))
    .flatMap((line) =>
      line.startsWith("> ") ? [line, ...transcript.run(line.slice(2)).map((out) => `    ${out}`)] : [line],
    )
    .join("\n");
}

test.each(readdirSync(FOLDER))("transcript: %s", (name) => {
  const file = new URL(name, FOLDER);
  const text = readFileSync(file, "utf8");
  if (process.env["CONSENSUS_TRANSCRIPTS"] === "rewrite") writeFileSync(file, play(text));
  else expect(play(text)).toBe(text);
});

test("of what was accepted the value of the highest ballot is taken, in whatever order it is reported", () => {
  const reports = [
    undefined,
    { ballot: ballotOf(2, 1), value: "b" },
    { ballot: ballotOf(1, 3), value: "a" },
    { ballot: ballotOf(2, 2), value: "c" },
  ];
  expect(highestAccepted(reports)?.value).toBe("c");
  expect(highestAccepted(reports.toReversed())?.value).toBe("c");
  expect(highestAccepted([undefined])).toBeUndefined();
});

test("a proposer that restarts neither runs a ballot of its earlier life again nor counts the answers to it", () => {
  const ids = ["n1", "n2", "n3"];
  const first = new Proposer(1, ids, "x");
  const { ballot } = first.begin() as { readonly ballot: number };
  const next = new Proposer(1, ids, "y", first.started);
  const promise = { type: "promise", ballot, accepted: undefined } as const;
  expect(ids.map((id) => next.receive(id, promise))).toEqual([undefined, undefined, undefined]);
  expect(next.begin()).toEqual({ type: "prepare", ballot: ballotOf(2, 1) });
});

interface Packet {
  readonly from: string;
  readonly to: string;
  readonly message: DecreeMessage<string>;
}

/** Messages are lost, repeated and overtaken, proposers begin anew, and either kind restarts, as `draws` say. */
function chosenValues(draws: readonly number[]): Set<string> {
  const ids = ["n1", "n2", "n3", "n4", "n5"];
  const acceptors = new Map(ids.map((id) => [id, new Acceptor<string>()]));
  const proposers = new Map(ids.slice(0, 3).map((id, at) => [id, new Proposer(at + 1, ids, `of ${id}`)]));
  const chosen = new Set<string>();
  let network: Packet[] = [];
  const send = (from: string, to: readonly string[], message: DecreeMessage<string>): void => {
    if (message.type === "learn") chosen.add(message.value);
    else network.push(...to.map((each) => ({ from, to: each, message })));
  };
  for (const draw of draws) {
    const id = ids[draw % 3]!;
    // A proposer keeps over a restart which ballot it began last, and may want something else now.
    const restarts = draw % 31 === 0;
    if (restarts) {
      const { started } = proposers.get(id)!;
      proposers.set(id, new Proposer((draw % 3) + 1, ids, `of ${id} at ${draw}`, started));
    }
    if (network.length === 0 || draw % 29 === 0 || restarts) send(id, ids, proposers.get(id)!.begin());
    const packet = network[draw % network.length]!;
    if (draw % 5 !== 0) network = network.filter((each) => each !== packet);
    if (draw % 7 === 0) continue;
    const { from, to, message } = packet;
    // What it stored is all that an acceptor keeps over a restart.
    if (draw % 11 === 0) acceptors.set(to, new Acceptor(acceptors.get(to)!.state));
    if (message.type === "prepare") send(to, [from], acceptors.get(to)!.prepare(message.ballot));
    else if (message.type === "accept") {
      send(to, [from], acceptors.get(to)!.accept(message.ballot, message.value));
    } else {
      const next = proposers.get(to)?.receive(from, message);
      if (next !== undefined) send(to, ids, next);
    }
  }
  return chosen;
}

test("at most one value is chosen, whatever is lost, repeated or overtaken", () => {
  let decided = 0;
  fc.assert(
    fc.property(fc.array(fc.nat(1 << 20), { minLength: 100, maxLength: 600 }), (draws) => {
      const chosen = chosenValues(draws);
      decided += chosen.size;
      expect(chosen.size).toBeLessThanOrEqual(1);
    }),
    { numRuns: 400 },
  );
  expect(decided).toBeGreaterThan(50);
});
