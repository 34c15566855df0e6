/** What an executable says on standard error: counters and status for the job, and everything else for the log. */

export type Said =
  | { readonly type: "counter"; readonly group: string; readonly name: string; readonly amount: number }
  | { readonly type: "status"; readonly text: string }
  /** It begins like a report, and is none. */
  | { readonly type: "odd"; readonly line: string }
  | { readonly type: "log"; readonly line: string };

export const REPORTER_PREFIX = "reporter:";

/**
 * `reporter:counter:GROUP,NAME,AMOUNT` (three fields, the amount a whole number) and `reporter:status:TEXT`.
 * `prefix`: the property stream.stderr.reporter.prefix.
 */
export function parseReport(line: string, prefix: string = REPORTER_PREFIX): Said {
  if (!line.startsWith(prefix)) return { type: "log", line };
  const said = line.slice(prefix.length);
  if (said.startsWith("status:")) return { type: "status", text: said.slice("status:".length).trim() };
  if (!said.startsWith("counter:")) return { type: "odd", line };
  const fields = said.slice("counter:".length).trim().split(",");
  // Java's split drops empty fields at the end.
  while (fields.at(-1) === "") fields.pop();
  const [group = "", name = "", amountText = ""] = fields;
  const amount = Number(amountText);
  if (fields.length !== 3 || !/^[+-]?\d+$/.test(amountText) || !Number.isSafeInteger(amount))
    return { type: "odd", line };
  return { type: "counter", group, name, amount };
}
