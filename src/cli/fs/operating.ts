/** What an operator does to a cluster's nodes: `safemode`, `decommission`, `maintenance`, `recommission`, `balance`. */
import { QuorateError } from "../../runtime/errors.ts";
import type { FilesNodeJson, NodeStandingName, ReportJson, SafeModeJson } from "../../wire/files-admin.ts";
import type { FsCommand } from "./command.ts";
import { stateOf } from "./report.ts";
import type { Shell } from "./shell.ts";
import { reportSize } from "./texts.ts";

const LOOK_MS = 1_000;

const SAFE_MODE_WORDS = ["get", "enter", "leave", "wait"] as const;

export const safemode: FsCommand = {
  name: "safemode",
  usage: "get | enter | leave | wait",
  summary: "ask for safe mode, in which nothing can be changed; begin it, end it, or wait until it is over",
  max: 1,
  async run(shell, args) {
    const word = SAFE_MODE_WORDS.find((each) => each === args.words[0]);
    if (word === undefined)
      throw new QuorateError("USAGE", `${args.words[0] ?? ""} is none of ${SAFE_MODE_WORDS.join(", ")}`);
    const { administration, signal } = shell;
    if (word === "enter" || word === "leave")
      return printSafeMode(shell, await administration.setSafeMode(word === "enter", { signal }));
    let state = await administration.safeMode({ signal });
    for (; word === "wait" && state.on; state = await administration.safeMode({ signal }))
      await shell.pause(LOOK_MS);
    await printSafeMode(shell, state);
  },
};

async function printSafeMode(shell: Shell, { on, explanation }: SafeModeJson): Promise<void> {
  await shell.print(`Safe mode is ${on ? "ON" : "OFF"}`);
  if (explanation !== null) shell.note(explanation);
}

function standingCommand(
  name: string,
  standing: NodeStandingName,
  summary: string,
  doneIn: string | undefined,
): FsCommand {
  return {
    name,
    usage: `${doneIn === undefined ? "" : "[-w] "}<node> ...`,
    summary,
    switches: doneIn === undefined ? [] : ["w"],
    anywhere: true,
    async run(shell, args) {
      const done: string[] = [];
      for (const node of args.words) {
        await shell.attempt(node, async () => {
          await shell.administration.setStanding(node, standing, { signal: shell.signal });
          done.push(node);
        });
      }
      if (args.has("w")) for (const node of done) await waitFor(shell, node, standing, doneIn ?? "");
      else await showStandings(shell, done, standing);
    },
  };
}

export const decommission: FsCommand = standingCommand(
  "decommission",
  "decommissioning",
  "copy all that nodes hold to others, and give them no more; -w waits until they may be stopped for good",
  "Decommissioned",
);
export const maintenance: FsCommand = standingCommand(
  "maintenance",
  "inMaintenance",
  "let nodes be away for a while without making their replicas anew; -w waits until they may be stopped",
  "In Maintenance",
);
export const recommission: FsCommand = standingCommand(
  "recommission",
  "inService",
  "take nodes back into service",
  undefined,
);
export const commission: FsCommand = {
  ...recommission,
  name: "commission",
  summary: "the same as recommission",
};

/** The node that answers, and the one that is meant, hear of it a moment later. */
async function nodeIn(
  shell: Shell,
  id: string,
  standing: NodeStandingName,
): Promise<FilesNodeJson | undefined> {
  for (let looks = 0; ; looks++) {
    const { nodes } = await shell.administration.report({ signal: shell.signal });
    const node = nodes.find((each) => each.id === id);
    if (node === undefined || !node.live || node.standing === standing || looks >= 5) return node;
    await shell.pause(LOOK_MS / 2);
  }
}

async function showStandings(
  shell: Shell,
  ids: readonly string[],
  standing: NodeStandingName,
): Promise<void> {
  for (const id of ids) {
    const node = await nodeIn(shell, id, standing);
    await shell.print(`${id}: ${node === undefined ? "not heard" : standingText(node)}`);
  }
}

function standingText(node: FilesNodeJson): string {
  if (!node.live) return `silent for ${Math.round(node.silentMs / 1000)} s`;
  const rest = node.remaining === 0 ? "" : `, ${node.remaining} blocks to go. ${node.explanation ?? ""}`;
  return `${stateOf(node)}${rest}`.trimEnd();
}

/** Looks of three seconds at a node that stands otherwise, after which the order is taken for withdrawn. */
const UNTAKEN_LOOKS = 3;

async function waitFor(shell: Shell, id: string, standing: NodeStandingName, state: string): Promise<void> {
  let last = "";
  let isTaken = false;
  let untaken = 0;
  for (;;) {
    const node = await nodeIn(shell, id, standing);
    const text = node === undefined ? "not heard" : standingText(node);
    if (text !== last) await shell.print(`${id}: ${text}`);
    last = text;
    // How it stands is known of a silent one too.
    if (node === undefined || node.standing === standing) {
      if (node?.live === true && stateOf(node) === state) return;
      isTaken ||= node !== undefined;
    } else if (isTaken) {
      return shell.refuse(id, `the order was withdrawn: it is ${stateOf(node)}`);
    } else if (++untaken >= UNTAKEN_LOOKS) {
      return shell.refuse(
        id,
        `the order was withdrawn, or the node does not hear of it: it is ${stateOf(node)}`,
      );
    }
    await shell.pause(LOOK_MS);
  }
}

/** Percentage points, as for `hdfs balancer`. */
const THRESHOLD = 10;
/** One round: Ctrl-C leaves at most so much under way. */
const ROUND_BYTES = 1024 ** 3;
/** The nodes tell how much they hold a moment after a copy, and after the replica that is too many went. */
const REST_MS = 4_000;

export const balance: FsCommand = {
  name: "balance",
  usage: "[-threshold <percent>]",
  summary: [
    "move blocks from full nodes to empty ones until the use of each is within so many points of the mean (default 10);",
    "stop it with Ctrl-C: no further moves are ordered, those under way are finished",
  ].join("\n  "),
  values: ["threshold"],
  anywhere: true,
  min: 0,
  max: 0,
  async run(shell, args) {
    const points = args.value("threshold") === undefined ? THRESHOLD : Number(args.value("threshold"));
    if (!(points > 0 && points <= 100))
      throw new QuorateError(
        "USAGE",
        `-threshold is a number above 0 and at most 100, not "${args.value("threshold") ?? ""}"`,
      );
    await shell.print(
      "Iteration#  Bytes Already Moved  Bytes Left To Move  Bytes Being Moved  Use of the nodes",
    );
    await rounds(shell, points / 100);
  },
};

async function rounds(shell: Shell, threshold: number): Promise<void> {
  const { administration, signal } = shell;
  let [iteration, ordered, moved] = [0, 0, 0];
  for (;;) {
    const round = await administration.balance({ threshold, maxBytes: ROUND_BYTES }, { signal });
    const found = await administration.report({ signal });
    const left = bytesToMove(found, threshold);
    const isUnderWay = round.pending > 0;
    if (!isUnderWay) {
      moved += ordered;
      ordered = round.orderedBytes;
    }
    const moving = isUnderWay ? round.pendingBytes : round.orderedBytes;
    const cells = [
      `${iteration}`.padStart(10),
      reportSize(moved).padStart(19),
      reportSize(left).padStart(18),
    ];
    await shell.print([...cells, reportSize(moving).padStart(17), useText(found)].join("  "));
    if (!isUnderWay && round.ordered === 0) return conclude(shell, left);
    if (!isUnderWay) iteration++;
    await shell.pause(isUnderWay ? LOOK_MS : REST_MS);
  }
}

async function conclude(shell: Shell, left: number): Promise<void> {
  if (left === 0) return shell.print("The cluster is balanced. Exiting...");
  await shell.print("No block can be moved. Exiting...");
  shell.exitCode = 1;
}

function useOf({ usedBytes, freeBytes }: FilesNodeJson): number {
  return usedBytes + freeBytes === 0 ? 0 : usedBytes / (usedBytes + freeBytes);
}

function inService({ nodes }: ReportJson): readonly FilesNodeJson[] {
  return nodes.filter(({ live, standing }) => live && standing === "inService");
}

/** Bytes by which nodes are too full or too empty: what is too much, or too little, whichever is more. */
export function bytesToMove(report: ReportJson, threshold: number): number {
  const nodes = inService(report);
  const sum = (of: (node: FilesNodeJson) => number): number =>
    nodes.reduce((total, node) => total + of(node), 0);
  const mean =
    sum(({ usedBytes }) => usedBytes) /
    Math.max(
      1,
      sum(({ usedBytes, freeBytes }) => usedBytes + freeBytes),
    );
  const beyond = (sign: 1 | -1) => (node: FilesNodeJson) =>
    Math.max(0, sign * (useOf(node) - mean) - threshold) * (node.usedBytes + node.freeBytes);
  return Math.round(Math.max(sum(beyond(1)), sum(beyond(-1))));
}

function useText(report: ReportJson): string {
  return inService(report)
    .map((node) => `${node.id} ${(useOf(node) * 100).toFixed(1)} %`)
    .join(", ");
}
