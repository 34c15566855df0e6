/** `chmod`, `chown`, `chgrp`, `setrep`. */
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import type { FsCommand } from "./command.ts";
import { javaNumber } from "./command.ts";
import type { Item, Shell } from "./shell.ts";

/** What words name, with `recursive` all below it: what fails is reported, and the others are done. */
export async function each(
  shell: Shell,
  words: readonly string[],
  recursive: boolean,
  change: (item: Item) => Promise<void>,
): Promise<void> {
  for await (const item of shell.items(words)) {
    for await (const one of recursive ? shell.tree(item) : [item])
      await shell.attempt(one.shown, () => change(one));
  }
}

export const chmod: FsCommand = {
  name: "chmod",
  usage: "[-R] <MODE[,MODE]... | OCTALMODE> PATH...",
  summary: "change permissions",
  switches: ["R"],
  free: true,
  min: 2,
  run(shell, args) {
    const [mode = "", ...words] = args.words;
    const change = parseMode(mode);
    return each(shell, words, args.has("R"), ({ files, path, shown, stats }) =>
      files
        .chmod(path, change(stats.mode, stats.isDirectory()), { signal: shell.signal })
        .catch(saying(`changing permissions of '${shown}'`)),
    );
  },
};

/** What was being done goes before what the file system says, as in Hadoop. */
function saying(what: string): (error: unknown) => never {
  return (error) => {
    if (!isQuorateError(error) || error.code !== "ACCESS_DENIED") throw error;
    throw new QuorateError(error.code, `${what}: ${error.message}`, { cause: error });
  };
}

/** "755", "1777", "u=rw,go-r", "a+X", "+t", each clause upon the one before, as POSIX says (Hadoop lets the last win). Throws USAGE. */
export function parseMode(text: string): (mode: number, isDirectory: boolean) => number {
  if (/^[01]?[0-7]{1,3}$/.test(text)) return () => Number.parseInt(text, 8);
  const clauses = text.split(",").map((clause) => /^([ugoa]*)([+=-])([rwxXt]+)$/.exec(clause));
  if (clauses.includes(null))
    throw new QuorateError("USAGE", `chmod : mode '${text}' does not match the expected pattern.`);
  return (before, isDirectory) => {
    let mode = before;
    for (const clause of clauses) {
      const [, who = "", sign = "", letters = ""] = clause ?? [];
      const everyone = who === "" || who.includes("a");
      const runs = letters.includes("x") || (letters.includes("X") && (isDirectory || (mode & 0o111) !== 0));
      const bits = (letters.includes("r") ? 4 : 0) | (letters.includes("w") ? 2 : 0) | (runs ? 1 : 0);
      for (const [name, shift] of [
        ["u", 6],
        ["g", 3],
        ["o", 0],
      ] as const) {
        if (!everyone && !who.includes(name)) continue;
        if (sign === "=") mode &= ~(7 << shift);
        if (sign === "-") mode &= ~(bits << shift);
        else mode |= bits << shift;
      }
      if (letters.includes("t")) mode = sign === "-" ? mode & ~0o1000 : mode | 0o1000;
      else if (sign === "=" && everyone) mode &= ~0o1000;
    }
    return mode;
  };
}

export const chown: FsCommand = {
  name: "chown",
  usage: "[-R] [OWNER][:[GROUP]] PATH...",
  summary: "change owner and group",
  switches: ["R"],
  min: 2,
  run(shell, args) {
    const [names = "", ...words] = args.words;
    const match = /^([\w./@$-]*)(?::([\w./@$-]*))?$/.exec(names);
    const [, owner = "", group = ""] = match ?? [];
    if (match === null)
      throw new QuorateError("USAGE", `'${names}' does not match expected pattern for [owner][:group].`);
    if (owner === "" && group === "")
      throw new QuorateError("USAGE", `'${names}' does not specify owner or group.`);
    return each(shell, words, args.has("R"), ({ files, path, shown }) =>
      files
        .chown(path, owner || undefined, group || undefined, { signal: shell.signal })
        .catch(saying(`changing ownership of '${shown}'`)),
    );
  },
};

export const chgrp: FsCommand = {
  name: "chgrp",
  usage: "[-R] GROUP PATH...",
  summary: "change the group",
  switches: ["R"],
  min: 2,
  run(shell, args) {
    const [group = "", ...words] = args.words;
    if (!/^[\w./@$-]+$/.test(group))
      throw new QuorateError("USAGE", `'${group}' does not match expected pattern for group`);
    return each(shell, words, args.has("R"), ({ files, path, shown }) =>
      files
        .chown(path, undefined, group, { signal: shell.signal })
        .catch(saying(`changing ownership of '${shown}'`)),
    );
  },
};

const WAIT_INTERVAL_MS = 1000;
const ILLEGAL_REPLICATION = "Illegal replication, a positive integer expected";

export const setrep: FsCommand = {
  name: "setrep",
  usage: "[-R] [-w] <rep> <path> ...",
  summary: "set how many replicas files have, of all files below a directory",
  switches: ["R", "w"],
  min: 2,
  async run(shell, args) {
    const [count = "", ...words] = args.words;
    const replication = javaNumber(shell, "short", count, ILLEGAL_REPLICATION);
    if (replication < 1) throw new QuorateError("USAGE", "replication must be >= 1");
    const changed: Item[] = [];
    for await (const item of shell.items(words)) {
      for await (const one of shell.tree(item)) {
        if (!one.stats.isFile()) continue;
        if (one.stats.erasureCoding !== undefined) {
          await shell.print(`Did not set replication for: ${one.shown}, because it's an erasure coded file.`);
          continue;
        }
        await shell.attempt(one.shown, async () => {
          await one.files.setReplication(one.path, replication, { signal: shell.signal });
          await shell.print(`Replication ${replication} set: ${one.shown}`);
          changed.push(one);
        });
      }
    }
    if (!args.has("w")) return;
    for (const item of changed) await waitFor(shell, item, replication);
  },
};

/** Until there are exactly so many, as Hadoop's shell waits. */
async function waitFor(shell: Shell, { files, shown, path }: Item, replication: number): Promise<void> {
  const { signal } = shell;
  let isWarned = false;
  await shell.write(`Waiting for ${shown} ...`);
  for (;;) {
    const counts = await files.replicaCounts(path, { signal });
    const odd = counts.find((count) => count !== replication);
    if (odd === undefined) break;
    if (odd > replication && !isWarned) {
      await shell.print("\nWARNING: the waiting time may be long for DECREASING the number of replications.");
      isWarned = true;
    }
    await shell.write(".");
    await shell.pause(WAIT_INTERVAL_MS);
  }
  await shell.print(" done");
}
