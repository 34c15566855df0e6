import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { ERRORS } from "../src/runtime/errors.ts";

/** The table of docs/errors.md as the code has it. */
function tableOfErrors(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, kind]) =>
      `| \`${code}\` | \`${kind.resp}\` | ${kind.exit} | ${kind.outcome} | ${kind.retryable ? "yes" : "no"} | ${kind.meaning} |`,
  );
  return [
    "| code | RESP prefix | exit | outcome | retryable | meaning |",
    "|---|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

test("docs/errors.md holds the error table as it is", () => {
  const page = readFileSync(resolve(import.meta.dirname, "../docs/errors.md"), "utf8");
  expect(page).toContain(tableOfErrors());
});
