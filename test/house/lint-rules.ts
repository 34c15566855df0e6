/**
 * The linter's half of the import rules, made from the same table as the house test's: one override a room, because a later
 * one for the same file silently replaces an earlier. The linter sees paths as they are written, not where they lead, so it
 * cannot know a file right above the rooms of `engine` from one inside them; that one case only the house test finds.
 */
import { importRules } from "./boundaries.ts";

interface Pattern {
  readonly regex?: string;
  readonly group?: readonly string[];
  readonly message: string;
}

export interface LintConfig {
  readonly overrides: readonly {
    readonly files: readonly string[];
    readonly rules: Readonly<Record<string, unknown>>;
  }[];
}

/** Deeper than any folder lies below its room. */
const DEPTH_MAX = 6;

/** What `.oxlint-rooms.json` holds. */
export function lintConfig(): LintConfig {
  const rooms = Object.keys(importRules).map((room) => ({
    files: [filesOf(room)],
    rules: { "no-restricted-imports": ["error", { patterns: patternsOf(room) }] },
  }));
  // Tests may look into every room. This override is meant to replace the others.
  const tests = {
    files: ["src/**/*.test.ts", "src/**/*.testing.ts"],
    rules: { "no-restricted-imports": "off" },
  };
  return { overrides: [...rooms, tests] };
}

/** Rooms that `room` may not import, without those that lie in another such room. */
export function forbiddenRooms(room: string): readonly string[] {
  const allowed = importRules[room]?.rooms ?? [];
  const isForbidden = (target: string): boolean =>
    target !== room &&
    !allowed.includes(target) &&
    !(allowed.includes("engine") && target.startsWith("engine/")) &&
    !room.startsWith(`${target}/`);
  const forbidden = Object.keys(importRules).filter(isForbidden);
  return forbidden.filter((target) => !forbidden.some((other) => target.startsWith(`${other}/`)));
}

/** Files of a room alone, where other rooms lie inside its folder. */
function filesOf(room: string): string {
  const holdsRooms = Object.keys(importRules).some((other) => other.startsWith(`${room}/`));
  return holdsRooms ? `src/${room}/*.ts` : `src/${room}/**`;
}

function patternsOf(room: string): readonly Pattern[] {
  const rule = importRules[room];
  const patterns = forbiddenRooms(room).map((target) => patternOf(room, target, rule?.rooms ?? []));
  if (rule?.pure !== true) return patterns;
  return [...patterns, { regex: "^[^.]", message: `${room} is pure: it imports no package` }];
}

/** How an import of `target` is written in a file of `room`, at whatever depth. */
function patternOf(room: string, target: string, allowed: readonly string[]): Pattern {
  const message = `${room} must not import ${target} (docs/architecture.md)`;
  const from = room.split("/");
  const to = target.split("/");
  let shared = 0;
  while (shared < from.length && from[shared] === to[shared]) shared++;
  const up = from.length - shared;
  const rest = `${to.slice(shared).join("/")}/`;
  const exceptions = allowed.filter((each) => each.startsWith(`${target}/`));
  if (exceptions.length === 0) {
    // Some go up further than they must, and name what both lie in.
    const around = to.slice(0, shared).reduce((outer, folder) => `(?:${outer}${folder}/)?`, "");
    const above = up === 0 ? "(?:\\./|(?:\\.\\./)+)" : `(?:\\.\\./){${up},}`;
    return { regex: `^${above}${around}${rest}`, message };
  }
  const ups = Array.from({ length: DEPTH_MAX }, (_, more) => "../".repeat(up + more) || "./");
  const folders = ups.flatMap((above) => [`${above}${rest}`, `${above}${target}/`]);
  return {
    group: folders.flatMap((folder) => [
      `${folder}**`,
      ...exceptions.map((each) => `!${folder}${each.slice(target.length + 1)}`),
    ]),
    message,
  };
}
