import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { INLINING_FLAGS } from "./compiler.ts";

/** A caller of many functions that are too large together for V8's own bound. */
const PROGRAM = `
const v8 = require("node:v8");
for (const flag of JSON.parse(process.argv[1])) v8.setFlagsFromString(flag);
v8.setFlagsFromString("--trace-turbo-inlining");
const parts = Array.from({ length: 14 }, (_, i) => (0, eval)(\`(function part\${i}(x) {
  let s = x;
  for (let k = 0; k < 3; k++) {
    s = (s * \${i + 3} + k) | 0;
    s ^= s >>> \${i + 1};
    if (s & 1) s += \${i}; else s -= k * \${i};
    if (s > 1e6) s = (s % 977) + \${i};
  }
  return s;
})\`));
const all = new Function(...parts.map((_, i) => "p" + i), "return (x) => " + parts.map((_, i) => "p" + i + "(x)").join("+"))(...parts);
let sum = 0;
for (let n = 0; n < 300000; n++) sum += all(n);
console.log(sum);
`;

function inlined(flags: readonly string[]): number {
  const { stdout, stderr } = spawnSync(process.execPath, ["-e", PROGRAM, JSON.stringify(flags)], {
    encoding: "utf8",
    timeout: 30_000,
  });
  expect(stderr).toBe("");
  return stdout.split("\n").filter((line) => line.startsWith("Inlining")).length;
}

test("this Node.js knows the flags, and with them functions are inlined that were not", () => {
  expect(inlined(INLINING_FLAGS)).toBeGreaterThan(inlined([]));
});
