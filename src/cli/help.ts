/** Help texts, made from the verb table. */
import { formatTable } from "./style.ts";
import type { Flag, Verb } from "./verb.ts";

export function programHelp(verbs: readonly Verb[]): string {
  const rows = verbs.filter((verb) => !verb.internal).map((verb) => [`  quorate ${verb.name}`, verb.summary]);
  return [
    "Quorate: a replicated store that Redis clients can trust, in one package.",
    "",
    formatTable(rows),
    "",
    "quorate VERB --help tells more, quorate --version which release this is.",
    "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 outcome unknown, 4 no quorum.",
  ].join("\n");
}

export function verbHelp(verb: Verb): string {
  const usage = verb.usage.map((line) => `  quorate ${line}`.trimEnd());
  const flags = verb.flags.map((flag) => [
    `  --${flag.name}${flag.value ? ` ${flag.value}` : ""}`,
    explain(flag),
  ]);
  return [verb.summary, "", ...usage, ...(flags.length > 0 ? ["", formatTable(flags)] : [])].join("\n");
}

function explain(flag: Flag): string {
  return flag.environment ? `${flag.help} (or $${flag.environment})` : flag.help;
}
