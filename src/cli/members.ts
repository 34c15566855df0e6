/** `quorate members`: who takes part, and who is to: lists members, adds, removes and replaces them through any node. */
import type { MemberAction, MemberOrder, MemberOutcome } from "../engine/cluster/member-changes.ts";
import { CHANGE_TIMEOUT_MS, MEMBER_ACTIONS } from "../engine/cluster/member-changes.ts";
import type { NodeEntry, StatusDocument } from "../engine/protocol/admin/status-document.ts";
import { ERRORS, QuorateError } from "../runtime/errors.ts";
import { splitAddress } from "../runtime/node/address.ts";
import { force } from "./force.ts";
import { unknown } from "./parse.ts";
import { DEFAULT_URL, fetchStatus } from "./status.ts";
import type { Paint } from "./style.ts";
import { formatCount, formatTable, paintFor } from "./style.ts";
import type { Call } from "./verb.ts";

/** The node answers before, whatever becomes of the change. */
const TIMEOUT_MS = CHANGE_TIMEOUT_MS + 5_000;

export async function members(call: Call): Promise<number> {
  if (call.has("force-new-cluster")) return force(call);
  const stray = ["name", "data", "accept-loss"].find((flag) => call.has(flag));
  if (stray !== undefined) throw new QuorateError("USAGE", `--${stray} belongs to --force-new-cluster`);
  const [action, node] = call.positionals;
  const url = call.text("url") ?? DEFAULT_URL;
  const password = call.text("password");
  const order = action === undefined ? undefined : orderFrom(action, node);
  const document = await fetchStatus(url, password);
  if (order === undefined) {
    const list = { cluster: document.cluster, members: document.nodes, strangers: document.strangers };
    const text = call.has("json") ? JSON.stringify(list, undefined, 2) : membersTable(document);
    process.stdout.write(`${text}\n`);
    return 0;
  }
  const outcome = await give(order, httpAddress(document, url), password);
  if (call.has("json")) process.stdout.write(`${JSON.stringify({ ...order, ...outcome })}\n`);
  else show(outcome, paintFor(process.stdout));
  return EXIT[outcome.outcome];
}

const EXIT = {
  done: 0,
  refused: 1,
  unknown: ERRORS.OUTCOME_UNKNOWN.exit,
} as const satisfies Record<MemberOutcome["outcome"], number>;

function orderFrom(action: string, node: string | undefined): MemberOrder {
  const known = MEMBER_ACTIONS.find((each) => each === action);
  if (known === undefined) throw new QuorateError("USAGE", unknown("action", action, MEMBER_ACTIONS));
  if (node === undefined) throw new QuorateError("USAGE", `members ${known} needs the name of a node`);
  return { action: known, node };
}

/** Where the node that was asked takes orders: both its servers listen at the host at which it was reached. */
function httpAddress({ askedNode, nodes, strangers }: StatusDocument, url: string): string {
  const asked = [...nodes, ...strangers].find(({ id }) => id === askedNode);
  if (asked?.http == null)
    throw new QuorateError("UNSUPPORTED", `${askedNode} has no HTTP port, ask another node`);
  return `${new URL(url).hostname}:${splitAddress(asked.http).port}`;
}

/** Throws USAGE when the node wants a password or another place to ask from, OUTCOME_UNKNOWN when its answer was lost. */
async function give(
  order: MemberOrder,
  address: string,
  password: string | undefined,
): Promise<MemberOutcome> {
  const authorization = Buffer.from(`default:${password ?? ""}`, "utf8").toString("base64");
  let response: Response;
  let body: Partial<MemberOutcome> & { readonly error?: string };
  try {
    response = await fetch(`http://${address}/members`, {
      method: "POST",
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        "Content-Type": "application/json",
        ...(password === undefined ? {} : { Authorization: `Basic ${authorization}` }),
      },
      body: JSON.stringify(order),
    });
    body = (await response.json()) as typeof body;
  } catch (cause) {
    throw lostAnswer(address, cause);
  }
  const { outcome, message = "" } = body;
  if (outcome !== undefined) return { outcome, message };
  throw new QuorateError("USAGE", `http://${address} refused: ${body.error ?? response.statusText}`);
}

/** Without a connection nothing can have been done. */
function lostAnswer(address: string, cause: unknown): QuorateError {
  const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const text = reason instanceof Error ? reason.message : String(reason);
  if ((reason as NodeJS.ErrnoException).code === "ECONNREFUSED") {
    return new QuorateError("NO_QUORUM", `nobody answers at http://${address}: ${text}`, { cause });
  }
  const advice = "look at quorate members before you try again";
  return new QuorateError(
    "OUTCOME_UNKNOWN",
    `the answer of http://${address} was lost (${text}): ${advice}`,
    {
      cause,
    },
  );
}

function show({ outcome, message }: MemberOutcome, paint: Paint): void {
  if (outcome === "done") process.stdout.write(`${paint("green", "done")}: ${message}\n`);
  else if (outcome === "refused") process.stderr.write(`quorate: refused: ${message}\n`);
  else process.stderr.write(`quorate: outcome unknown: ${message} (quorate members shows it)\n`);
}

const HEADINGS = ["node", "role", "member", "directory", "lag", "peer", "resp"];
const NUMBERS = [4];

/** One line a node, and what can be done about those that wait; a dash is what is not known. */
export function membersTable({ nodes, strangers }: StatusDocument): string {
  const paint = paintFor(process.stdout);
  const rows = [
    ...nodes.map((node) => row(node, node.newcomer ? "replaced?" : node.voter ? "voter" : "learner")),
    ...strangers.map((node) => row(node, "no")),
  ];
  const [head = "", ...table] = formatTable([HEADINGS, ...rows], NUMBERS).split("\n");
  const advice = [
    ...nodes.filter(({ newcomer }) => newcomer).map(({ id }) => adviceFor(id, "replace")),
    ...strangers.map(({ id }) => adviceFor(id, "add")),
  ];
  return [paint("bold", head), ...table, ...advice.map((line) => paint("yellow", line))].join("\n");
}

function row(node: NodeEntry, member: string): readonly string[] {
  return [
    node.id,
    node.role,
    member,
    node.directory?.slice(0, 8) ?? "-",
    node.lag === null ? "-" : formatCount(node.lag),
    node.peer === "" ? "-" : node.peer,
    node.resp ?? "-",
  ];
}

/** What an operator can do for a node that waits. */
export function adviceFor(id: string, action: Exclude<MemberAction, "remove">): string {
  return action === "add"
    ? `${id} is no member: quorate members add ${id}`
    : `${id} came back with a new data directory: quorate members replace ${id}`;
}
