import { expect, test } from "vitest";
import type { AssignmentQuestion, Room } from "./assignments.ts";
import { assignTasks, DEFAULT_SCHEDULING } from "./assignments.ts";
import type { Job } from "./jobs/job.ts";
import { Trial } from "./jobs/jobs.testing.ts";

const rooms = (slots: number, ...nodes: string[]): Room[] =>
  (nodes.length === 0 ? ["n1", "n2", "n3"] : nodes).map((node) => ({ node, life: 7, slots, used: 0 }));

function ask(jobs: readonly Job[], given: Partial<AssignmentQuestion> = {}): string[] {
  const assignments = assignTasks({
    jobs,
    rooms: rooms(1),
    settings: DEFAULT_SCHEDULING,
    nowMs: 1_000,
    waits: new Map(),
    isPending: () => false,
    ...given,
  });
  return assignments.map(
    ({ job, kind, task, attempt, node }) => `${job.slice(-1)} ${kind} ${task}.${attempt} ${node}`,
  );
}

test("each map goes to a node that holds its split", () => {
  // Splits 0, 3 are at n1, split 1 is at n2, split 2 at n3.
  expect(ask([new Trial().submit(4)])).toEqual(["1 map 0.0 n1", "1 map 1.0 n2", "1 map 2.0 n3"]);
});

test("a map waits a moment for a node that holds its split, then goes anywhere; and at once when no such node is there", () => {
  const job = new Trial().submit(1);
  const waits = new Map<string, number>();
  const taken = rooms(1);
  taken[0]!.used = 1;
  const asked = (nowMs: number): string[] =>
    ask([job], { nowMs, waits, rooms: taken.map((room) => ({ ...room })) });
  expect(asked(1_000)).toEqual([]);
  expect(asked(1_299)).toEqual([]);
  expect(asked(1_300)).toEqual(["1 map 0.0 n2"]);
  expect(ask([job], { rooms: rooms(1, "n2", "n3") })).toEqual(["1 map 0.0 n2"]);
});

test("the job with the fewest running attempts is next, then the older one", () => {
  const trial = new Trial();
  const [first, second] = [trial.submit(9), trial.submit(9)];
  for (const task of [0, 1]) trial.begin(first, "map", task, "n9");
  expect(ask([first, second], { rooms: rooms(2) }).map((each) => each[0])).toEqual([
    "2",
    "2",
    "1",
    "2",
    "1",
    "2",
  ]);
});

test("what is on its way is not given out again, and no more than there is room for", () => {
  const job = new Trial().submit(9);
  expect(ask([job], { isPending: (_, __, task) => task < 8 })).toEqual(["1 map 8.0 n3"]);
  expect(ask([job], { rooms: rooms(0) })).toEqual([]);
});

test("nothing of a job begins before its output has a place", () => {
  expect(ask([new Trial().submit(3, {}, false)])).toEqual([]);
});

test("reduces begin when some maps have finished, and leave room for maps until all have", () => {
  const trial = new Trial();
  const job = trial.submit(40, { reduces: 6 });
  const reduces = (slots: number): number =>
    ask([job], { rooms: rooms(slots), isPending: (_, kind) => kind === "map" }).length;
  expect(reduces(4)).toBe(0);
  trial.run(job, "map", 0);
  expect(reduces(4)).toBe(0);
  trial.run(job, "map", 1);
  expect(reduces(4), "half of twelve slots").toBe(6);
  expect(reduces(1), "half of three slots").toBe(1);
  for (let task = 2; task < 40; task++) trial.run(job, "map", task);
  expect(reduces(1)).toBe(3);
});

test("one slot in all is no room for a reduce while a map may have to run", () => {
  const trial = new Trial();
  const job = trial.submit(2, { reduces: 1 });
  trial.run(job, "map", 0);
  trial.begin(job, "map", 1, "n1");
  expect(ask([job], { rooms: rooms(1, "n1") })).toEqual([]);
});

test("a task is not tried again where it has failed, as long as there is another node; for some time", () => {
  const trial = new Trial();
  const job = trial.submit(1);
  trial.fail(job, "map", 0, trial.begin(job, "map", 0, "n1"));
  expect(ask([job], { rooms: rooms(1, "n1", "n2") })).toEqual(["1 map 0.1 n2"]);
  const waits = new Map([[`${job.id}/map/0`, 0]]);
  const free = (): Room[] => [
    { node: "n1", life: 7, slots: 1, used: 0 },
    { node: "n2", life: 7, slots: 1, used: 1 },
  ];
  expect(ask([job], { nowMs: 4_999, waits, rooms: free() })).toEqual([]);
  expect(ask([job], { nowMs: 5_000, waits, rooms: free() })).toEqual(["1 map 0.1 n1"]);
  expect(ask([job], { rooms: rooms(1, "n1") }), "there is no other").toEqual(["1 map 0.1 n1"]);
});

test("a node on which many attempts of a job failed is avoided by it, but never more than half of all nodes", () => {
  const trial = new Trial();
  const job = trial.submit(9);
  for (const task of [0, 3, 6]) trial.fail(job, "map", task, trial.begin(job, "map", task, "n1"));
  const nodes = ask([job], { rooms: rooms(3), nowMs: 100_000 }).map((each) => each.slice(-2));
  expect(new Set(nodes)).toEqual(new Set(["n2", "n3"]));
  expect(ask([trial.submit(9)], { rooms: rooms(1) }), "another job goes there").toHaveLength(3);
  for (const task of [1, 4, 7]) trial.fail(job, "map", task, trial.begin(job, "map", task, "n2"));
  expect(ask([job], { rooms: rooms(3) }).length).toBeGreaterThan(6);
});
