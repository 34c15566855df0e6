import { expect, test } from "vitest";
import { parseCall } from "./parse.ts";
import type { Verb } from "./verb.ts";

const VERB: Verb = {
  name: "start",
  summary: "",
  usage: [],
  flags: [
    { name: "nodes", value: "COUNT", help: "" },
    { name: "data", value: "DIR", help: "" },
    { name: "json", help: "" },
    { name: "rate", value: "BYTES", help: "" },
    { name: "durability", value: "always|memory", help: "" },
    { name: "password", value: "PASSWORD", environment: "QUORATE_TEST_PASSWORD", help: "" },
  ],
  positionals: { min: 0, max: 1 },
  load: () => Promise.reject(new Error("not called")),
};

test("flags and positionals are read in either spelling", () => {
  const call = parseCall(VERB, ["here", "--nodes", "3", "--data=/x=y", "--json"]);
  expect(call.positionals).toEqual(["here"]);
  expect(call.integer("nodes", { min: 1, max: 7 })).toBe(3);
  expect(call.text("data")).toBe("/x=y");
  expect(call.has("json")).toBe(true);
  expect(call.text("durability")).toBeUndefined();
});

test("a size is a number of bytes, or one with a binary unit", () => {
  const bytes = (...args: readonly string[]): number | undefined => parseCall(VERB, args).bytes("rate");
  expect(bytes()).toBeUndefined();
  expect([bytes("--rate", "0"), bytes("--rate", "1000"), bytes("--rate=4m")]).toEqual([0, 1000, 4_194_304]);
  for (const odd of ["fast", "4mb", "-1", "1.5m", "9999e"])
    expect(() => bytes(`--rate=${odd}`), odd).toThrow(
      `--rate must be a number of bytes such as 4194304 or 4m, not "${odd}"`,
    );
});

test.each([
  [["--nods", "3"], "unknown flag --nods, did you mean --nodes?"],
  [["--frobnicate"], "unknown flag --frobnicate"],
  [["-n", "3"], "unknown flag -n"],
  [["--nodes"], "--nodes needs a value: COUNT"],
  [["--data", "--json"], "--data needs a value: DIR"],
  [["--data="], "--data needs a value: DIR"],
  [["--json=yes"], "--json takes no value"],
  [["--json", "--json"], "--json is given twice"],
  [["a", "b"], '"b" is not understood: start takes one argument'],
])("%j is one clear line", (args, line) => {
  expect(() => parseCall(VERB, args)).toThrow(line);
});

test("what is missing, or too much, is told with what to do", () => {
  const usage = ["start DIR [--json]        in a directory"];
  const needy: Verb = { ...VERB, usage, positionals: { min: 1, max: 1 }, surplus: "say --data for each" };
  expect(() => parseCall(needy, [])).toThrow(/^start needs one argument: quorate start DIR \[--json\]$/);
  expect(() => parseCall(needy, ["a", "b"])).toThrow(
    /^start takes one argument, not a and b: say --data for each$/,
  );
  expect(() => parseCall(needy, ["a", "b", "c", "d"])).toThrow(/not a and b and c and more: say/);
});

test("numbers and choices are checked", () => {
  for (const wrong of ["0", "8", "-1", "3.5", "three", "1e1", "9".repeat(20)]) {
    const call = parseCall(VERB, [`--nodes=${wrong}`]);
    expect(() => call.integer("nodes", { min: 1, max: 7 })).toThrow(
      /--nodes must be a whole number from 1 to 7/,
    );
  }
  const call = parseCall(VERB, ["--durability", "often"]);
  expect(() => call.choice("durability", ["always", "memory"])).toThrow(
    '--durability must be always or memory, not "often"',
  );
});

test("a flag may come from the environment, and the flag itself wins", () => {
  process.env["QUORATE_TEST_PASSWORD"] = "from outside";
  try {
    expect(parseCall(VERB, []).text("password")).toBe("from outside");
    expect(parseCall(VERB, ["--password", "given"]).text("password")).toBe("given");
  } finally {
    delete process.env["QUORATE_TEST_PASSWORD"];
  }
});
