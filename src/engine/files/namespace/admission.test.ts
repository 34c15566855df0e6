import { expect, test } from "vitest";
import type { QuorateError } from "../../../runtime/errors.ts";
import { checkLinkTarget, checkTargets } from "./admission.ts";
import { ROOT, Trial } from "./namespace.testing.ts";

type Moves = readonly (readonly [from: string, to: string])[];

function refusal(check: () => void): string | undefined {
  try {
    check();
  } catch (error) {
    return `${(error as QuorateError).code}: ${(error as QuorateError).message}`;
  }
  return undefined;
}

/** Files /a to /e, directories /d and /empty, and /l, which leads to /d. */
function trial(): Trial {
  const made = new Trial();
  for (const name of ["a", "b", "c", "e", "d/old"]) made.do("put", { path: `/${name}`, content: name });
  made.do("mkdir", { path: "/empty", mode: 0o755 });
  made.do("symlink", { path: "/l", target: "/d" });
  return made;
}

const list = (moves: Moves): { from: string; to: string }[] => moves.map(([from, to]) => ({ from, to }));
const checked = (moves: Moves): string | undefined =>
  refusal(() => checkTargets(trial().machine, ROOT, list(moves)));

test("two sources for one target are refused, by whatever path it is called", () => {
  const lies = (first: string, second: string, at: string): string =>
    `ARGUMENT_INVALID: one publish replaces nothing that it has moved: both ${first} and ${second} would come to lie at ${at}`;
  const cases: readonly (readonly [Moves, string])[] = [
    [
      [
        ["/a", "/x"],
        ["/b", "/x"],
      ],
      lies("/a", "/b", "/x"),
    ],
    [
      [
        ["/a", "/d/old"],
        ["/b", "/d/old"],
      ],
      lies("/a", "/b", "/d/old"),
    ],
    [
      [
        ["/a", "/x"],
        ["/c", "/y"],
        ["/b", "//x/"],
      ],
      lies("/a", "/b", "//x/"),
    ],
    [
      [
        ["/a", "/new/x"],
        ["/b", "/new/x"],
      ],
      lies("/a", "/b", "/new/x"),
    ],
    [
      [
        ["/a", "/d/x"],
        ["/b", "/l/x"],
      ],
      lies("/a", "/b", "/l/x"),
    ],
    [
      [
        ["/a", "/l/n/x"],
        ["/b", "/d/n/x"],
      ],
      lies("/a", "/b", "/d/n/x"),
    ],
    // Where it was taken to within a directory.
    [
      [
        ["/a", "/d/x"],
        ["/d", "/m"],
        ["/b", "/m/x"],
      ],
      lies("/a", "/b", "/m/x"),
    ],
    // Moved on, and then something else.
    [
      [
        ["/a", "/x"],
        ["/x", "/y"],
        ["/b", "/x"],
        ["/c", "/x"],
      ],
      lies("/b", "/c", "/x"),
    ],
  ];
  for (const [moves, why] of cases) expect(checked(moves), JSON.stringify(moves)).toBe(why);
});

test("what a later move names is not replaced by an earlier one", () => {
  const lies = (earlier: string, later: string): string =>
    `ARGUMENT_INVALID: one publish replaces nothing that it is to move: ${earlier} would replace ${later} before that is moved itself: move that first, or swap through a third name`;
  const cases: readonly (readonly [Moves, string])[] = [
    [
      [
        ["/a", "/b"],
        ["/b", "/a"],
      ],
      lies("/a", "/b"),
    ],
    [
      [
        ["/a", "/b"],
        ["/b", "/c"],
        ["/c", "/a"],
      ],
      lies("/a", "/b"),
    ],
    // By another path, and where a directory took it along.
    [
      [
        ["/a", "/l/old"],
        ["/d", "/m"],
        ["/m/old", "/z"],
      ],
      lies("/a", "/m/old"),
    ],
    [
      [
        ["/d", "/m"],
        ["/a", "/m/old"],
        ["/m/old", "/z"],
      ],
      lies("/a", "/m/old"),
    ],
    // A link itself.
    [
      [
        ["/a", "/l"],
        ["/l", "/z"],
      ],
      lies("/a", "/l"),
    ],
  ];
  for (const [moves, why] of cases) expect(checked(moves), JSON.stringify(moves)).toBe(why);
});

test("chains, swaps and what is below what was moved are no such thing, and are carried out", () => {
  const cases: readonly Moves[] = [
    [
      ["/a", "/b"],
      ["/c", "/e"],
    ],
    [
      ["/a", "/t"],
      ["/b", "/a"],
      ["/t", "/b"],
    ],
    [
      ["/a", "/x"],
      ["/x", "/y"],
      ["/b", "/x"],
    ],
    // A chain from its end, and there and back.
    [
      ["/b", "/x"],
      ["/a", "/b"],
      ["/b", "/y"],
    ],
    [
      ["/b", "/x"],
      ["/x", "/b"],
      ["/b", "/y"],
    ],
    [
      ["/d", "/m"],
      ["/m/old", "/x"],
      ["/a", "/m/old"],
      ["/m/old", "/y"],
    ],
    [
      ["/a", "/d/x"],
      ["/d", "/m"],
      ["/m/x", "/a"],
      ["/b", "/m/x"],
    ],
    [
      ["/empty", "/m"],
      ["/a", "/m/x"],
      ["/b", "/m/y"],
    ],
  ];
  for (const moves of cases) {
    expect(checked(moves), JSON.stringify(moves)).toBeUndefined();
    trial().do("publish", { moves: list(moves), overwrite: true });
  }
});

test("what is no path, or too much, is left to the namespace, which has the words for it", () => {
  for (const moves of [
    [
      ["/a", "/x"],
      ["b", "/x"],
    ],
    [
      ["/a", "/x"],
      ["/", "/x"],
    ],
    Array.from({ length: 10_001 }, () => ["/a", "/x"] as const),
  ] as Moves[])
    expect(checked(moves)).toBeUndefined();
});

test("thousands of moves, deep and in directories that are moved about, are looked through at once", () => {
  const deep = "/n".repeat(200);
  const into = Array.from({ length: 5_000 }, (_, at) => [`/s${at}`, `/p${deep}/f${at}`] as const);
  const about = Array.from({ length: 5_000 }, (_, at) => [`/p${at || ""}`, `/p${at + 1}`] as const);
  expect(checked([...into, ...about])).toBeUndefined();
  expect(checked([...into, ...about.slice(1), ["/a", `/p${deep}/f7`]])).toMatch(/both \/s7 and \/a /);
});

test("a command that came into a log before is carried out as it was", () => {
  const moves = list([
    ["/a", "/x"],
    ["/b", "/x"],
  ]);
  const before = trial();
  before.do("publish", { moves, overwrite: true });
  expect(before.shape("/x")).toBe("b");
  before.do("symlink", { path: "/odd", target: "a\u001b[2Jb" });
  expect(before.machine.linkTarget("/odd", ROOT)).toBe("a\u001b[2Jb");
});

test("a link leads anywhere, by a text that can be shown", () => {
  for (const target of ["/a", "../b c", "hdfs://other:8020/x", "gr\u00fcn", "\u{1f600}"])
    expect(refusal(() => checkLinkTarget(target))).toBeUndefined();
  for (const odd of ["\0", "\n", "\u001b", "\u007f", "\u009b", "\ud800"])
    expect(
      refusal(() => checkLinkTarget(`/a${odd}b`)),
      JSON.stringify(odd),
    ).toMatch(/^PATH_INVALID: Invalid target name: \/a.b$/);
});
