import { expect, test } from "vitest";
import { jobSpecOf, submissionOf } from "./job-submission.ts";

const HERE = { nodes: 3, oneMachine: true };
const MODULE = { type: "module", bundle: "/user/ann/.staging/x.mjs", sha256: "a".repeat(64) };
const SMALL = { user: "ann", program: MODULE, inputs: [{ paths: ["/books"], mapper: 0 }], output: "/counts" };

test("what a submission leaves out has its default, by the cluster that takes it", () => {
  expect(jobSpecOf(SMALL, HERE)).toMatchObject({
    name: "x.mjs",
    settings: { reduces: 1, attempts: 4, memory: 256 * 1024 * 1024, compress: "none", speculative: true },
    properties: {},
    cacheFiles: [],
  });
  expect(jobSpecOf(SMALL, { nodes: 9, oneMachine: false }).settings).toMatchObject({
    reduces: 4,
    compress: "gzip",
  });
});

test("what a submission says is kept, also what a format says of its input", () => {
  const given = {
    ...SMALL,
    name: "counting",
    inputs: [{ paths: ["/a//b/", "/c*"], mapper: 1, whole: true }],
    output: "/out/",
    settings: { reduces: 3, splitSize: 5, skipRecords: 2, speculative: false },
    properties: { "a.b": "c" },
    cacheFiles: [{ path: "/x.zip", link: "x", archive: true }],
    totalOrder: true,
    ranges: ["YQ==", "Yg=="],
  };
  expect(jobSpecOf(given, HERE)).toMatchObject({
    ...given,
    inputs: [{ paths: ["/a/b", "/c*"], mapper: 1, whole: true }],
    output: "/out",
  });
});

test("executables without a reducer are a job of maps only", () => {
  const program = { type: "streaming", mapper: "./map.py x", reducer: "NONE", environment: { A: "b" } };
  const spec = jobSpecOf({ ...SMALL, program }, HERE);
  expect(spec).toMatchObject({ name: "map.py", program, settings: { reduces: 0 } });
  const contradiction = { ...SMALL, program, settings: { reduces: 2 } };
  expect(() => jobSpecOf(contradiction, HERE)).toThrow(/NONE goes with no reduces/);
});

test.each([
  [null, /an object is needed/],
  [[], /an object is needed/],
  [{ ...SMALL, user: "" }, /user: a text of 1 to 200/],
  [{ ...SMALL, user: 7 }, /user: a text/],
  [{ ...SMALL, program: {} }, /program.type is/],
  [{ ...SMALL, program: { ...MODULE, sha256: "x" } }, /64 hexadecimal digits/],
  [{ ...SMALL, program: { ...MODULE, bundle: "x.mjs" } }, /bundle: x.mjs is not absolute/],
  [{ ...SMALL, program: { type: "streaming", mapper: "cat", io: "xml" } }, /program.io is/],
  [{ ...SMALL, inputs: [] }, /inputs: at least one/],
  [{ ...SMALL, inputs: [{ paths: [], mapper: 0 }] }, /inputs.paths: at least one/],
  [{ ...SMALL, inputs: [{ paths: ["/a"], mapper: -1 }] }, /inputs.mapper: a whole number/],
  [{ ...SMALL, output: "/" }, /the root cannot be/],
  [{ ...SMALL, output: "out" }, /output: out is not absolute/],
  [{ ...SMALL, settings: { reduces: 9_001 } }, /reduces is a whole number from 0 to 9000/],
  [{ ...SMALL, settings: { reduces: 1.5 } }, /reduces is a whole number/],
  [{ ...SMALL, settings: { reducers: 1 } }, /there is no setting "reducers"/],
  [{ ...SMALL, settings: { compress: "lzo" } }, /compress is "none" or "gzip"/],
  [{ ...SMALL, settings: { memory: 1 } }, /memory is a whole number/],
  [{ ...SMALL, properties: { a: 1 } }, /properties.a: a text/],
  [{ ...SMALL, cacheFiles: [{ path: "/a", link: "../b" }] }, /cacheFiles.link: a plain name/],
  [{ ...SMALL, ranges: ["YQ=="] }, /1 bounds do not part keys among 1 reduces/],
  [{ ...SMALL, settings: { reduces: 2 }, ranges: ["%"] }, /keys in base64/],
  [{ ...SMALL, totalOrder: 1 }, /totalOrder: true or false/],
])("%j is refused, and what is wrong is said", (given, message) => {
  expect(() => jobSpecOf(given, HERE)).toThrow(message);
  try {
    jobSpecOf(given, HERE);
  } catch (error) {
    expect((error as { code: string }).code).toMatch(/^(ARGUMENT|PATH)_INVALID$/);
  }
});

test("a submission has a name of its own, or none", () => {
  expect(submissionOf({})).toBeUndefined();
  expect(submissionOf({ submission: "0123456789abcdef" })).toBe("0123456789abcdef");
  expect(() => submissionOf({ submission: "short" })).toThrow(/16 to 64/);
});
