/** A command as Hadoop Streaming takes it: words and quotes, and no shell behind it. */
import { accessSync, chmodSync, constants, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";

/**
 * Words of a command. Blanks part them unless they stand in '…' or "…"; there are no escapes, a quote in the middle of a word
 * parts it, and empty quotes are no word: Hadoop's rules (PipeMapRed), odd as they are, because commands were written for them.
 */
export function splitCommand(command: string): readonly string[] {
  const words: string[] = [];
  let quote: string | undefined;
  let start = 0;
  const endWord = (at: number): void => {
    if (at > start) words.push(command.slice(start, at));
    start = at + 1;
  };
  for (let at = 0; at < command.length; at++) {
    const letter = command[at];
    if (letter === "'" || letter === '"') {
      if (quote !== undefined && quote !== letter) continue;
      quote = quote === undefined ? letter : undefined;
      endWord(at);
    } else if (letter === " " && quote === undefined) endWord(at);
  }
  endWord(command.length);
  return words;
}

/**
 * Where a program lies: a relative name is looked up in the directory of the task (and made executable there, as shipped
 * files often are not), then along PATH. What is not found stays as it is, and fails when it is started.
 */
export function findExecutable(name: string, directory: string, path: string): string {
  if (isAbsolute(name)) return name;
  const own = join(directory, name);
  if (isReadableFile(own)) {
    makeExecutable(own);
    return own;
  }
  const folders = path.split(":").filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, name)).find(isReadableFile) ?? name;
}

function isReadableFile(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function makeExecutable(path: string): void {
  const mode = statSync(path).mode & 0o7777;
  try {
    if ((mode & 0o111) !== 0o111) chmodSync(path, mode | 0o111);
  } catch {
    // Somebody else's file: it is executable already, or fails when it is started.
  }
}
