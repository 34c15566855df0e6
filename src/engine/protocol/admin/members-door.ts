/**
 * `POST /members`: orders to add, remove or replace a member, from `quorate members` or whoever else speaks HTTP.
 *
 * It is the only address here that changes anything, so it asks for more than the others do: the password of the cluster, if
 * it has one; without one, like Redis in protected mode, it takes orders only from this machine. A page in a browser is kept
 * out in both cases: it cannot send this type of content to another origin without asking, and is never answered.
 */
import type { IncomingMessage } from "node:http";
import type { MemberOrder, MemberOutcome } from "../../cluster/member-changes.ts";
import { MEMBER_ACTIONS } from "../../cluster/member-changes.ts";
import { isLoopback } from "../loopback.ts";
import { isAuthorised } from "./password.ts";

const BODY_MAX_BYTES = 4096;

export interface MembersDoor {
  order(order: MemberOrder, done: (outcome: MemberOutcome) => void): void;
  /** What clients must give at present; empty: none. */
  password(): string;
}

export interface MembersAnswer {
  readonly status: number;
  readonly body: { readonly error: string } | (MemberOutcome & MemberOrder);
}

const STATUS = { done: 200, refused: 409, unknown: 504 } as const satisfies Record<
  MemberOutcome["outcome"],
  number
>;

/** Answers once: at once when the request is refused, otherwise when the change has come to its end. */
export function takeOrder(
  request: IncomingMessage,
  door: MembersDoor,
  answer: (answer: MembersAnswer) => void,
): void {
  const refusal = refuse(request, door.password());
  if (refusal !== undefined) return answer(refusal);
  let text = "";
  let over = false;
  request.setEncoding("utf8");
  request.on("data", (chunk: string) => {
    text += chunk;
    if (text.length <= BODY_MAX_BYTES || over) return;
    over = true;
    answer(error(413, "the body is too large"));
  });
  request.on("end", () => {
    if (over) return;
    const order = parse(text);
    if (order === undefined) {
      return answer(error(400, `the body must be {"action":"${MEMBER_ACTIONS.join("|")}","node":"NAME"}`));
    }
    door.order(order, (outcome) =>
      answer({ status: STATUS[outcome.outcome], body: { ...order, ...outcome } }),
    );
  });
}

function refuse({ headers, socket }: IncomingMessage, password: string): MembersAnswer | undefined {
  if (headers.origin !== undefined) return error(403, "not for web pages");
  if (headers["content-type"]?.split(";", 1)[0]?.trim() !== "application/json") {
    return error(415, "the body must be application/json");
  }
  if (password === "") {
    const advice = "ask from this machine, or give the cluster a password";
    return isLoopback(socket.remoteAddress)
      ? undefined
      : error(403, `without a password members are changed only locally: ${advice}`);
  }
  return isAuthorised(headers.authorization, password)
    ? undefined
    : error(401, "the password is missing or wrong");
}

function parse(text: string): MemberOrder | undefined {
  try {
    const { action, node } = JSON.parse(text) as { action?: unknown; node?: unknown };
    const known = MEMBER_ACTIONS.find((each) => each === action);
    if (known === undefined || typeof node !== "string" || !/^[\w.-]{1,64}$/.test(node)) return undefined;
    return { action: known, node };
  } catch {
    return undefined;
  }
}

function error(status: number, message: string): MembersAnswer {
  return { status, body: { error: message } };
}
