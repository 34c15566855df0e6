/**
 * The algorithms' specification by example: every file in `raft/transcripts/` and `paxos/transcripts/` must give exactly the
 * output that it shows. `CONSENSUS_TRANSCRIPTS=rewrite` writes the output anew, to be reviewed like any other change.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ALGORITHMS, type Algorithm } from "./algorithms.ts";
import { Transcript } from "./transcript.testing.ts";

/** Comments, blank lines and commands as they are; after each command what it prints. */
function play(algorithm: Algorithm, text: string): string {
  const transcript = new Transcript(algorithm);
  const lines: string[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("> ")) {
      lines.push(line);
      for (const printed of transcript.run(line.slice(2))) lines.push(`    ${printed}`);
    } else if (!line.startsWith("    ")) lines.push(line);
  }
  return lines.join("\n");
}

describe.each(ALGORITHMS)("%s", (algorithm) => {
  const folder = new URL(`./${algorithm}/transcripts/`, import.meta.url);
  const names = readdirSync(folder).filter((each) => each.endsWith(".txt"));
  test.each(names)("transcript: %s", (name) => {
    const file = new URL(name, folder);
    const text = readFileSync(file, "utf8");
    const played = play(algorithm, text);
    if (process.env["CONSENSUS_TRANSCRIPTS"] === "rewrite") writeFileSync(file, played);
    else expect(played).toBe(text);
  });
});
