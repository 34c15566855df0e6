import { expect, test } from "vitest";
import { createClock } from "../../runtime/node/clock.ts";
import type { Clock } from "../../runtime/world.ts";
import { LogClock } from "./log-clock.ts";

function fakeClock(): Clock & { mono: number; wall: number } {
  const clock = {
    mono: 1_000,
    wall: 1_700_000_000_000,
    monotonicMs: (): number => clock.mono,
    wallMs: (): number => clock.wall,
    setTimer: (): { cancel(): void } => ({ cancel: () => undefined }),
    endOfTurn: (): void => undefined,
  };
  return clock;
}

test("stamps advance with the monotonic clock whatever the wall clock does", () => {
  const clock = fakeClock();
  const log = new LogClock(clock);
  const first = log.stamp();
  expect(first).toBe(1_700_000_000_000);
  clock.mono += 10_000;
  clock.wall -= 3_600_000;
  expect(Math.abs(log.stamp() - first - 10_000)).toBeLessThanOrEqual(5); // leans back by 1/2000 at most
  clock.mono += 10_000;
  clock.wall += 7_200_000;
  expect(Math.abs(log.stamp() - first - 20_000)).toBeLessThanOrEqual(10);
});

test("what a client has read on the leader's machine is not ahead of the leader's stamps", () => {
  for (let leaders = 0; leaders < 20; leaders++) {
    const log = new LogClock(createClock());
    for (let stamps = 0; stamps < 200; stamps++) {
      const read = Date.now();
      expect(log.stamp()).toBeGreaterThanOrEqual(read);
    }
  }
});

test("a new leader goes on where the old one stopped, whatever its own wall clock says", () => {
  const clock = fakeClock();
  clock.wall += 86_400_000; // a day ahead
  const log = new LogClock(clock);
  log.observe(1_700_000_000_500);
  clock.mono += 2_000;
  clock.wall += 2_000;
  const stamp = log.stamp();
  expect(stamp).toBeGreaterThanOrEqual(1_700_000_002_500);
  expect(stamp).toBeLessThan(1_700_000_002_510);
});

test("time never goes backwards, not even below what was recovered from the disk", () => {
  const clock = fakeClock();
  clock.wall = 5;
  const log = new LogClock(clock);
  log.recover(1_800_000_000_000);
  expect(log.stamp()).toBeGreaterThanOrEqual(1_800_000_000_000);
});

test("a follower's estimate is never ahead of the leader: a late arrival does not push it", () => {
  const clock = fakeClock();
  const log = new LogClock(clock);
  log.observe(1_700_000_000_000);
  clock.mono += 100;
  log.observe(1_700_000_000_050); // 50 ms late
  expect(log.estimateMs()).toBeLessThanOrEqual(1_700_000_000_100);
  expect(log.estimateMs()).toBeGreaterThan(1_700_000_000_097);
});

test("a new leader does not lean towards its wall clock for the time before it led", () => {
  const clock = fakeClock();
  clock.mono = 864_000_000; // ten days after its machine started
  const log = new LogClock(clock);
  log.observe(1_600_000_000_000); // a year behind the wall clock
  log.leaderChanged(2, 1_600_000_000_000);
  expect(log.stamp()).toBe(1_600_000_000_000);
});

test("what a leader promised does not end early, though an earlier leader knew log time better", () => {
  const clock = fakeClock();
  const log = new LogClock(clock);
  log.observe(1_700_000_000_000);
  clock.mono += 1_000;
  // The second leader's log time lags by 400 ms; its deadlines count from there.
  log.leaderChanged(2, 1_700_000_000_000);
  log.observe(1_700_000_000_600);
  clock.mono += 1_000;
  log.leaderChanged(3, 1_700_000_000_600);
  expect(log.stamp()).toBeLessThanOrEqual(1_700_000_001_600);
});

test("a follower whose clock runs fast does not get ahead of the leader over the days", () => {
  const clock = fakeClock();
  const log = new LogClock(clock);
  let leaderMs = 1_700_000_000_000;
  for (let second = 0; second < 1_000; second++) {
    log.observe(leaderMs);
    leaderMs += 1_000;
    clock.mono += 1_004;
  }
  expect(log.estimateMs() - leaderMs).toBeLessThan(20);
});

test("a leader that measured less than its log knows does not stand still: who measures it does not overtake it", () => {
  const [leading, following] = [fakeClock(), fakeClock()];
  const [leader, follower] = [new LogClock(leading), new LogClock(following)];
  leader.observe(1_700_000_000_000);
  // Its log has a later stamp, of a leader that it did not hear.
  leader.leaderChanged(2, 1_700_000_000_000);
  leader.lead(1_700_000_002_000, 0);
  follower.leaderChanged(2, 1_700_000_000_000);
  for (let stamps = 0; stamps < 10; stamps++) {
    follower.observe(leader.stamp());
    leading.mono += 25;
    following.mono += 25;
  }
  const promised = leader.stamp();
  follower.leaderChanged(3, promised);
  expect(promised).toBeGreaterThanOrEqual(1_700_000_002_240);
  expect(follower.stamp()).toBeLessThanOrEqual(promised + 1);
});

test("a leader that holds what it did not hear the last leader stamp takes the newest stamp for new", () => {
  const clock = fakeClock();
  const log = new LogClock(clock);
  log.leaderChanged(1, 0);
  log.observe(1_700_000_000_000);
  clock.mono += 1_000;
  log.leaderChanged(3, 1_700_000_000_000);
  // Measured in term 1, it would be 900 ms ahead of what the leader of term 2 may have promised from.
  log.lead(1_700_000_000_100, 2);
  expect(log.stamp()).toBe(1_700_000_000_100);
});

test("a leader that heard the last leader itself goes on by what it measured on it", () => {
  const clock = fakeClock();
  const log = new LogClock(clock);
  log.leaderChanged(2, 0);
  log.observe(1_700_000_000_000);
  clock.mono += 1_000;
  log.leaderChanged(3, 1_700_000_000_000);
  log.lead(1_700_000_000_100, 2);
  expect(log.stamp()).toBe(1_700_000_001_000);
});

test("what a leader stamped before its first entries were lost does not move log time when it leads again", () => {
  const clock = fakeClock();
  clock.wall += 36_000; // half a minute ahead of the others
  const log = new LogClock(clock);
  log.leaderChanged(1, 0);
  log.lead(0, 0);
  log.stamp();
  clock.mono += 1_000;
  // Cut off meanwhile: the next leader knows nothing of that.
  log.leaderChanged(2, 0);
  log.observe(1_700_000_001_000);
  expect(log.estimateMs()).toBe(1_700_000_001_000);
  clock.mono += 1_000;
  log.leaderChanged(3, 1_700_000_001_000);
  log.lead(1_700_000_001_000, 0);
  expect(log.stamp()).toBeLessThanOrEqual(1_700_000_002_001);
});
