import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Progress } from "./progress.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const CLEARED = "\r\u001b[K";

function drawn(isTTY: boolean): { readonly written: string[]; readonly progress: Progress } {
  const written: string[] = [];
  const progress = new Progress({ isTTY, write: (text) => written.push(text) });
  progress.expect(1000);
  return { written, progress };
}

test("what takes longer than a moment is drawn, gives way to a line, and is gone at the end", () => {
  const { written, progress } = drawn(true);
  vi.advanceTimersByTime(900);
  progress.hide();
  expect(written).toEqual([]);
  progress.moved(500);
  vi.advanceTimersByTime(200);
  expect(written).toHaveLength(1);
  expect(written[0]).toContain(" 50 % ");
  progress.hide();
  progress.hide();
  expect(written.slice(1)).toEqual([CLEARED]);
  vi.advanceTimersByTime(200);
  expect(written).toHaveLength(3);
  progress.end();
  vi.advanceTimersByTime(2000);
  expect(written.slice(3)).toEqual([CLEARED]);
});

test("nothing is drawn where nobody looks", () => {
  const { written, progress } = drawn(false);
  vi.advanceTimersByTime(5000);
  progress.end();
  expect(written).toEqual([]);
});
