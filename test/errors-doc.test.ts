import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import type { ErrorCode } from "../src/runtime/errors.ts";
import { ERRORS, hadoopExceptionOf } from "../src/runtime/errors.ts";

/** The table of docs/errors.md as the code has it. */
function tableOfErrors(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, kind]) =>
      `| \`${code}\` | \`${kind.resp}\` | ${kind.exit} | ${kind.outcome} | ${kind.retryable ? "yes" : "no"} | \`${hadoopExceptionOf(code as ErrorCode).exception}\` | ${kind.meaning} |`,
  );
  return [
    "| code | RESP prefix | exit | outcome | retryable | WebHDFS exception | meaning |",
    "|---|---|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

test("docs/errors.md holds the error table as it is", () => {
  const page = readFileSync(resolve(import.meta.dirname, "../docs/errors.md"), "utf8");
  expect(page).toContain(tableOfErrors());
});
