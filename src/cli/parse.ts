/** Arguments to a call: Node.js's own parser cuts them up, the verb's table says what is allowed. */
import { parseArgs } from "node:util";
import { QuorateError } from "../runtime/errors.ts";
import type { Flag, Verb } from "./verb.ts";
import { Call } from "./verb.ts";

/** Arguments that an error repeats: a pattern that the shell filled in may stand for thousands. */
const SHOWN_MAX = 3;

/** Throws USAGE with one line that names what is wrong. */
export function parseCall(verb: Verb, args: readonly string[]): Call {
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      verb.flags.map((flag) => [flag.name, { type: flag.value ? "string" : "boolean" }]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, string | true>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const flag = verb.flags.find(({ name }) => name === token.name);
    if (!flag || !token.rawName.startsWith("--")) {
      throw new QuorateError(
        "USAGE",
        unknown(
          "flag",
          token.rawName,
          verb.flags.map(({ name }) => `--${name}`),
        ),
      );
    }
    if (values.has(flag.name)) throw new QuorateError("USAGE", `--${flag.name} is given twice`);
    values.set(flag.name, valueOf(flag, token.value));
  }
  const { min, max } = verb.positionals;
  if (positionals.length > max) {
    if (verb.surplus !== undefined) {
      const given =
        positionals.slice(0, SHOWN_MAX).join(" and ") + (positionals.length > SHOWN_MAX ? " and more" : "");
      throw new QuorateError("USAGE", `${verb.name} takes ${count(max)}, not ${given}: ${verb.surplus}`);
    }
    throw new QuorateError(
      "USAGE",
      `"${positionals[max] ?? ""}" is not understood: ${verb.name} takes ${count(max)}`,
    );
  }
  if (positionals.length < min) {
    // Behind two blanks a usage line says what it does.
    const usage = verb.usage[0]?.split("  ")[0];
    const how = usage === undefined ? "" : `: quorate ${usage}`;
    throw new QuorateError("USAGE", `${verb.name} needs ${count(min)}${how}`);
  }
  return new Call(verb, values, positionals);
}

function valueOf(flag: Flag, value: string | undefined): string | true {
  if (flag.value === undefined) {
    if (value !== undefined) throw new QuorateError("USAGE", `--${flag.name} takes no value`);
    return true;
  }
  if (value === undefined || value === "" || value.startsWith("--")) {
    throw new QuorateError("USAGE", `--${flag.name} needs a value: ${flag.value}`);
  }
  return value;
}

function count(number: number): string {
  if (number === 0) return "no arguments";
  return number === 1 ? "one argument" : `${number} arguments`;
}

/** "unknown flag --nods, did you mean --nodes?" */
export function unknown(what: string, given: string, known: readonly string[]): string {
  const near = known
    .map((name) => ({ name, distance: editDistance(given, name) }))
    .filter(({ name, distance }) => distance <= Math.max(1, Math.floor(name.length / 2.5)))
    .sort((left, right) => left.distance - right.distance)[0];
  return `unknown ${what} ${given}${near ? `, did you mean ${near.name}?` : ""}`;
}

/** Insertions, deletions and replacements from one word to the other (Levenshtein). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replace = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
