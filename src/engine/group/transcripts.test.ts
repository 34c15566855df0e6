/**
 * Exactly-once batches by example: every file in `transcripts/` must give exactly the output that it shows.
 * `GROUP_TRANSCRIPTS=rewrite` writes the output anew, to be reviewed like any other change.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Transcript } from "./transcript.testing.ts";

const FOLDER = new URL("./transcripts/", import.meta.url);

/** Comments, blank lines and commands as they are; after each command what it prints. */
function play(text: string): string {
  const transcript = new Transcript();
  const lines: string[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("> ")) {
      lines.push(line);
      for (const printed of transcript.run(line.slice(2))) lines.push(`    ${printed}`);
    } else if (!line.startsWith("    ")) lines.push(line);
  }
  return lines.join("\n");
}

for (const name of readdirSync(FOLDER).filter((each) => each.endsWith(".txt"))) {
  test(`transcript: ${name.replace(".txt", "").replaceAll("-", " ")}`, () => {
    const file = new URL(name, FOLDER);
    const text = readFileSync(file, "utf8");
    const played = play(text);
    if (process.env["GROUP_TRANSCRIPTS"] === "rewrite") writeFileSync(file, played);
    else expect(played).toBe(text);
  });
}
