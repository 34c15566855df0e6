/** What the file system does unless it is told otherwise, and the trash: `settings`, `expunge`. */
import { QuorateError } from "../../runtime/errors.ts";
import type { FsCommand } from "./command.ts";

export const settings: FsCommand = {
  name: "settings",
  usage: "[<name>=<value> ...]",
  summary: [
    "print the settings of the file system, or change some: sizes in bytes, times in milliseconds;",
    "trashIntervalMs=86400000 gives rm a trash that keeps things for a day, 0 takes it away",
  ].join("\n  "),
  min: 0,
  async run(shell, args) {
    const { administration, signal } = shell;
    const change = Object.fromEntries(args.words.map(assignment));
    const now =
      args.words.length === 0
        ? await administration.settings({ signal })
        : await administration.changeSettings(change, { signal });
    for (const [name, value] of Object.entries(now))
      if (args.words.length === 0 || Object.hasOwn(change, name)) await shell.print(`${name}=${value}`);
  },
};

function assignment(word: string): readonly [string, string | number | boolean] {
  const at = word.indexOf("=");
  if (at < 1) throw new QuorateError("USAGE", `a setting is name=value, not "${word}"`);
  const [name, text] = [word.slice(0, at), word.slice(at + 1)];
  if (text === "true" || text === "false") return [name, text === "true"];
  return [name, /^\d{1,15}$/.test(text) ? Number(text) : text];
}

export const expunge: FsCommand = {
  name: "expunge",
  usage: "[-immediate] [-fs <path>]",
  summary: "close your trash as a checkpoint, and remove checkpoints that are old enough; -immediate: all",
  switches: ["immediate"],
  values: ["fs"],
  min: 0,
  async run(shell, args) {
    const { administration, signal } = shell;
    // Only of the file system of --fs: it takes its own name.
    await shell.pathOf(args.value("fs") ?? "/");
    const isImmediate = args.has("immediate");
    const { trashIntervalMs } = isImmediate
      ? { trashIntervalMs: 0 }
      : await administration.settings({ signal });
    // Without a trash nothing is to be kept in it, as in HDFS.
    if (!isImmediate && trashIntervalMs === 0) return;
    const { removed } = await administration.expunge(trashIntervalMs, { signal });
    for (const path of removed) shell.note(`Deleted trash checkpoint: ${path}`);
  },
};
