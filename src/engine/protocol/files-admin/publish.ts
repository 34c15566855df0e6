/** The body of a publish: which renames, and what must be so. */
import { QuorateError } from "../../../runtime/errors.ts";
import type { CommandOf } from "../../files/namespace/commands.ts";

type Publish = CommandOf<"publish">;

/** Throws PROTOCOL when it is no `PublishJson`. */
export function publishOf(body: Readonly<Record<string, unknown>>, caller: Publish["caller"]): Publish {
  const { moves, expected = [], overwrite = false, createParents = false, ...others } = body;
  const odd = Object.keys(others)[0];
  if (odd !== undefined) throw new QuorateError("PROTOCOL", `the body has no member "${odd.slice(0, 50)}"`);
  if (typeof overwrite !== "boolean" || typeof createParents !== "boolean")
    throw new QuorateError("PROTOCOL", "overwrite and createParents are true or false");
  return {
    type: "publish",
    caller,
    moves: listOf("moves", moves).map((each) => ({
      from: textOf("from", each["from"]),
      to: textOf("to", each["to"]),
    })),
    expected: listOf("expected", expected).map((each) => ({
      path: textOf("path", each["path"]),
      ...versionOf(each["version"]),
    })),
    overwrite,
    createParents,
  };
}

function listOf(name: string, value: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (Array.isArray(value) && value.every((each) => typeof each === "object" && each !== null))
    return value as readonly Readonly<Record<string, unknown>>[];
  throw new QuorateError("PROTOCOL", `"${name}" is a list of objects`);
}

function textOf(name: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw new QuorateError("PROTOCOL", `"${name}" is a path`);
}

function versionOf(value: unknown): {
  readonly id: number | undefined;
  readonly revision: number | undefined;
} {
  if (value === null) return { id: undefined, revision: undefined };
  const { id, revision } = (typeof value === "object" ? value : {}) as Readonly<Record<string, unknown>>;
  if (Number.isSafeInteger(id) && Number.isSafeInteger(revision))
    return { id: id as number, revision: revision as number };
  throw new QuorateError("PROTOCOL", '"version" is null, or has an id and a revision');
}
