/** Commands that Hadoop has replaced and still takes: they say by what, and do it. */
import { du } from "./accounting.ts";
import type { FsCommand } from "./command.ts";
import { ls } from "./listing.ts";
import { rm } from "./naming.ts";

function replaced(name: string, by: FsCommand, option: string, written: string): FsCommand {
  return {
    ...by,
    name,
    summary: `the same as ${by.name} -${option}, which replaces it`,
    run(shell, args) {
      shell.note(`${name}: DEPRECATED: Please use '${written}' instead.`);
      return by.run(shell, args.with(option));
    },
  };
}

export const lsr: FsCommand = replaced("lsr", ls, "R", "ls -R");
export const rmr: FsCommand = replaced("rmr", rm, "r", "-rm -r");
export const dus: FsCommand = replaced("dus", du, "s", "du -s");
