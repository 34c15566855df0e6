import { expect, test } from "vitest";
import { bytesFromLatin1 } from "../../runtime/bytes.ts";
import { Proposals } from "./proposals.ts";

type Outcome = string | undefined;

function proposalsWith(count: number): { proposals: Proposals<string, string>; outcomes: Outcome[] } {
  const proposals = new Proposals<string, string>();
  const outcomes: Outcome[] = [];
  for (let at = 0; at < count; at++) {
    proposals.add(
      `c${at}`,
      bytesFromLatin1(`c${at}`),
      (reply, error) => (outcomes[at] = reply ?? error?.code),
      at,
    );
    proposals.close();
  }
  return { proposals, outcomes };
}

test("a command that was never sent fails as not applied, one that was sent as unknown", () => {
  const { proposals, outcomes } = proposalsWith(2);
  const first = proposals.waiting()[0];
  if (first !== undefined) first.sent = true;
  proposals.expire(100);
  expect(outcomes).toEqual(["OUTCOME_UNKNOWN", "NO_QUORUM"]);
  expect(proposals.waitingBytes).toBe(0);
});

test("giving up leaves no batch behind, and the next one says which numbers are gone", () => {
  const { proposals } = proposalsWith(3);
  proposals.expire(100);
  expect(proposals.waiting()).toEqual([]);
  proposals.add("d", bytesFromLatin1("d"), () => undefined, 200);
  expect(proposals.close()).toMatchObject({ seq: 4, abandonedFrom: 1 });
});

test("giving up old commands keeps the young ones and their order", () => {
  const { proposals } = proposalsWith(3);
  proposals.expire(1);
  expect(proposals.waiting().map((batch) => [batch.abandonedFrom, batch.seq])).toEqual([
    [1, 2],
    [3, 3],
  ]);
  expect(proposals.applied(1)).toBeUndefined(); // a copy of the abandoned one was applied all the same
  expect(proposals.applied(2)?.commands).toEqual(["c1"]);
});

test("a snapshot that holds a batch answers it as applied, with its reply lost", () => {
  const { proposals, outcomes } = proposalsWith(2);
  proposals.dropThrough(1, "REPLY_LOST");
  expect(outcomes).toEqual(["REPLY_LOST"]);
  expect(proposals.waiting().map((batch) => batch.seq)).toEqual([2]);
});

test("a new session numbers what waits from one", () => {
  const { proposals } = proposalsWith(3);
  proposals.applied(1);
  proposals.renumber();
  expect(proposals.waiting().map((batch) => [batch.abandonedFrom, batch.seq])).toEqual([
    [1, 1],
    [2, 2],
  ]);
});

test("when a session ended out of sight, what was sent is given up and what was not goes on", () => {
  const { proposals, outcomes } = proposalsWith(2);
  const first = proposals.waiting()[0];
  if (first !== undefined) first.sent = true;
  proposals.dropSent();
  expect(outcomes).toEqual(["OUTCOME_UNKNOWN"]);
  proposals.renumber();
  expect(proposals.waiting().map(({ seq }) => seq)).toEqual([1]);
});
