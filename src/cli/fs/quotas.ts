/** Quotas of directories, in the words of `hdfs dfsadmin`: `setQuota`, `clrQuota`, `setSpaceQuota`, `clrSpaceQuota`. */
import type { Quota } from "../../client/files/attributes.ts";
import { QuorateError } from "../../runtime/errors.ts";
import { bytesOf } from "../byte-size.ts";
import { each } from "./attributes.ts";
import type { FsCommand } from "./command.ts";
import type { Shell } from "./shell.ts";

const NONE = -1;

function setting(name: string, summary: string, read: (text: string) => Quota): FsCommand {
  return {
    name,
    usage: "<quota> <dirname> ...",
    summary,
    min: 2,
    run(shell, { words: [text = "", ...words] }) {
      return change(shell, words, read(text));
    },
  };
}

function clearing(name: string, summary: string, quota: Quota): FsCommand {
  return {
    name,
    usage: "<dirname> ...",
    summary,
    run: (shell, { words }) => change(shell, words, quota),
  };
}

function change(shell: Shell, words: readonly string[], quota: Quota): Promise<void> {
  return each(shell, words, false, ({ files, path }) =>
    files.setQuota(path, quota, { signal: shell.signal }),
  );
}

export const setQuota: FsCommand = setting(
  "setQuota",
  "let a directory hold at most so many names, its own counted; for the superuser",
  (text) => ({ names: quotaOf(text, /^\d+$/.test(text) ? Number(text) : Number.NaN) }),
);
export const setSpaceQuota: FsCommand = setting(
  "setSpaceQuota",
  "let a directory hold at most so many bytes, replicas and parity counted; k, m, g, t, p are binary",
  (text) => ({ space: quotaOf(text, bytesOf(text)) }),
);
export const clrQuota: FsCommand = clearing("clrQuota", "as many names as there may be", { names: NONE });
export const clrSpaceQuota: FsCommand = clearing("clrSpaceQuota", "as many bytes as there may be", {
  space: NONE,
});

function quotaOf(text: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new QuorateError("USAGE", `"${text}" is not a valid value for a quota.`);
  return value;
}
