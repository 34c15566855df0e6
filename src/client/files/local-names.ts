/** The names of this machine's users and groups, as its own files tell them: Node.js knows only numbers. */
import { readFileSync } from "node:fs";

export interface LocalNames {
  /** The number as a text where no name is known: users of a directory service, or no Unix. */
  nameOf(id: number): string;
  /** NaN: it is neither a name that is known nor a number. */
  idOf(name: string): number;
}

/** Of `/etc/passwd` or `/etc/group`, read when the first name is asked for. */
export function localNames(path: string): LocalNames {
  let known: ReadonlyMap<string, number> | undefined;
  let names: ReadonlyMap<number, string> | undefined;
  const load = (): ReadonlyMap<string, number> => {
    known ??= new Map(linesOf(path).flatMap(entryOf));
    return known;
  };
  return {
    nameOf(id) {
      // Where two share a number, the first one in the file is its name.
      names ??= new Map([...load()].reverse().map(([name, number]) => [number, name]));
      return names.get(id) ?? String(id);
    },
    idOf: (name) => load().get(name) ?? (/^-?\d+$/.test(name) ? Number(name) : Number.NaN),
  };
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    return [];
  }
}

function entryOf(line: string): readonly (readonly [string, number])[] {
  const match = /^([^#:+-][^:]*):[^:]*:(\d+):/.exec(line);
  return match === null ? [] : [[match[1] ?? "", Number(match[2])]];
}
