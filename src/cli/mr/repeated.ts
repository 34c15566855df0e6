/** Flags that may be given again, taken out of the words before the others are parsed: `--input A --input B`, `-D k=v`, `-Dk=v`. */
import { QuorateError } from "../../runtime/errors.ts";

export interface Separated {
  readonly given: ReadonlyMap<string, readonly string[]>;
  readonly rest: readonly string[];
}

/** Throws USAGE when one has no value. What stands behind `--` is left alone. */
export function takeRepeated(words: readonly string[], names: readonly string[]): Separated {
  const given = new Map<string, string[]>();
  const rest: string[] = [];
  const add = (name: string, value: string | undefined): void => {
    if (value === undefined || value === "" || value.startsWith("--"))
      throw new QuorateError("USAGE", `--${name} needs a value`);
    given.set(name, [...(given.get(name) ?? []), value]);
  };
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (word === "--") {
      rest.push(...words.slice(at));
      break;
    }
    const name = names.find((each) => word === `--${each}` || word.startsWith(`--${each}=`));
    if (name !== undefined) add(name, word.includes("=") ? word.slice(name.length + 3) : words[++at]);
    else if (word === "-D" && names.includes("define")) add("define", words[++at]);
    else if (word.startsWith("-D") && names.includes("define")) add("define", word.slice(2));
    else rest.push(word);
  }
  return { given, rest };
}

/** NAME=VALUE pairs, a later one going before an earlier. Throws USAGE. */
export function pairsOf(flag: string, pairs: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf("=");
    if (equals < 1) throw new QuorateError("USAGE", `${flag} takes NAME=VALUE, not "${pair}"`);
    found[pair.slice(0, equals).trim()] = pair.slice(equals + 1);
  }
  return found;
}
