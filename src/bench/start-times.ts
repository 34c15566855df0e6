/** A program that starts an engine twice, in memory or in the directory that it is given, and prints how many milliseconds each took. */
import { start } from "../index.ts";

const data = process.argv[2] ?? "memory";
const times: number[] = [];
for (let run = 0; run < 2; run++) {
  const startedMs = performance.now();
  const engine = await start({ data });
  times.push(performance.now() - startedMs);
  await engine.close();
}
console.log(times.map((time) => time.toFixed(1)).join(" "));
