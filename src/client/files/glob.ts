/** Hadoop's patterns of paths: `*`, `?`, `[a-z]`, `[^a]`, `{a,b}` and a backslash before what is meant as it is. */
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import type { FileStats } from "./file-stats.ts";
import type { Files } from "./files.ts";

export function isGlob(text: string): boolean {
  return /[*?[{\\]/.test(text);
}

/** What the pattern fits, in the order of the paths. Throws USAGE when it is none. */
export async function expandGlob(
  files: Files,
  pattern: string,
  signal: AbortSignal,
): Promise<readonly FileStats[]> {
  const found: FileStats[] = [];
  for (const each of alternatives(pattern)) {
    let level = [await files.stat("/", { signal })];
    for (const name of each.split("/").filter((part) => part !== "")) {
      const next: FileStats[] = [];
      for (const directory of level) next.push(...(await step(files, directory, name, signal)));
      level = next;
    }
    found.push(...level);
  }
  return found.toSorted((left, right) => (left.path < right.path ? -1 : 1));
}

async function step(
  files: Files,
  directory: FileStats,
  name: string,
  signal: AbortSignal,
): Promise<readonly FileStats[]> {
  if (!directory.isDirectory()) return [];
  if (!isGlob(name)) {
    const path = `${directory.path === "/" ? "" : directory.path}/${name}`;
    try {
      return [await files.stat(path, { signal })];
    } catch (error) {
      if (isQuorateError(error) && error.code === "PATH_NOT_FOUND") return [];
      throw error;
    }
  }
  const expression = nameExpression(name);
  const found: FileStats[] = [];
  for await (const entry of files.walk(directory.path, { signal }))
    if (expression.test(entry.name)) found.push(entry);
  return found;
}

/** Braces may hold slashes, so they are taken apart before the path is. */
export function alternatives(pattern: string): readonly string[] {
  let depth = 0;
  let open = -1;
  const commas: number[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const letter = pattern[at];
    if (letter === "\\") at++;
    else if (letter === "{") {
      if (depth++ === 0) open = at;
    } else if (letter === "," && depth === 1) commas.push(at);
    else if (letter === "}" && depth > 0 && --depth === 0) {
      const edges = [open, ...commas, at];
      const parts = edges.slice(1).map((edge, index) => pattern.slice((edges[index] ?? 0) + 1, edge));
      return parts.flatMap((part) => alternatives(pattern.slice(0, open) + part + pattern.slice(at + 1)));
    }
  }
  if (depth > 0) throw new QuorateError("USAGE", `a brace is not closed: ${pattern}`);
  return [pattern];
}

/** One name's pattern as a regular expression. */
export function nameExpression(pattern: string, flags = ""): RegExp {
  let source = "";
  for (let at = 0; at < pattern.length; at++) {
    const letter = pattern[at] ?? "";
    if (letter === "*") source += ".*";
    else if (letter === "?") source += ".";
    else if (letter === "\\") source += escaped(pattern[++at] ?? "\\");
    else if (letter === "[") {
      const end = pattern.indexOf("]", at + 2);
      if (end < 0) throw new QuorateError("USAGE", `a bracket is not closed: ${pattern}`);
      const inside = pattern.slice(at + 1, end).replace(/^!/, "^");
      source += `[${inside.replaceAll(/[\\[]/g, String.raw`\$&`)}]`;
      at = end;
    } else source += escaped(letter);
  }
  return new RegExp(`^${source}$`, `su${flags}`);
}

function escaped(letter: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(letter) ? `\\${letter}` : letter;
}
