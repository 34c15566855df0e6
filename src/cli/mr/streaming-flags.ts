/** The words of `hadoop jar hadoop-streaming.jar …` as data: one dash or two, Hadoop's generic options anywhere among them. */
import { QuorateError } from "../../runtime/errors.ts";
import { unknown } from "../parse.ts";

export interface StreamingFlag {
  readonly name: string;
  /** What follows it; absent: it stands alone. */
  readonly value?: string;
  /** Takes all words up to the next flag, and may be given again. */
  readonly many?: boolean;
  /** May be given again. */
  readonly repeats?: boolean;
  readonly help: string;
}

export const STREAMING_FLAGS: readonly StreamingFlag[] = [
  { name: "input", value: "PATH…", many: true, help: "files, directories, globs; several, and again" },
  { name: "output", value: "PATH", help: "a directory that does not exist yet" },
  { name: "mapper", value: "CMD", help: "the executable of the maps; default the identity" },
  {
    name: "reducer",
    value: "CMD",
    help: "of the reduces; NONE: maps only; aggregate: LongValueSum:key and its like",
  },
  { name: "combiner", value: "CMD", help: "runs on each spill of a map's output" },
  { name: "partitioner", value: "CLASS", help: "KeyFieldBasedPartitioner or HashPartitioner" },
  { name: "numReduceTasks", value: "N", help: "reduce tasks; 0: maps only" },
  { name: "inputformat", value: "NAME", help: "TextInputFormat, KeyValueTextInputFormat" },
  { name: "outputformat", value: "NAME", help: "TextOutputFormat, NullOutputFormat" },
  { name: "inputreader", value: "SPEC", help: "not taken: records are lines" },
  { name: "io", value: "text|rawbytes|typedbytes", help: "how records pass to and from the executables" },
  { name: "lazyOutput", help: "make no file for a task that writes nothing" },
  { name: "file", value: "FILE…", many: true, help: "ship it with the job (-files says more)" },
  { name: "files", value: "FILE#LINK,…", repeats: true, help: "files for the directory of every task" },
  { name: "archives", value: "FILE#LINK,…", repeats: true, help: "the same, unpacked into a directory LINK" },
  { name: "cmdenv", value: "NAME=VALUE", repeats: true, help: "a variable for the executables" },
  { name: "D", value: "NAME=VALUE", repeats: true, help: "a property of the job" },
  { name: "conf", value: "FILE", repeats: true, help: "properties from one of Hadoop's XML files" },
  { name: "fs", value: "URL", help: "webhdfs://host:port of a cluster, or file:///: this machine alone" },
  { name: "jt", value: "local", help: "the same as --local" },
  { name: "local", help: "run on this machine with no cluster, on local files" },
  { name: "background", help: "submit, print the job's name, and do not wait" },
  { name: "json", help: "progress and outcome as lines of JSON" },
  { name: "user", value: "NAME", help: "for whom it reads and writes" },
  { name: "password", value: "PASSWORD", help: "the cluster's password (or $QUORATE_PASSWORD)" },
  { name: "dry-run", help: "tell splits, bytes and partitions, and do nothing" },
  { name: "mapdebug", value: "CMD", help: "taken and not run: the log of every attempt is kept (mr logs)" },
  { name: "reducedebug", value: "CMD", help: "taken and not run" },
  { name: "libjars", value: "JARS", repeats: true, help: "not taken: no Java runs here" },
  { name: "cacheFile", value: "URI#LINK…", many: true, help: "older form of -files" },
  { name: "cacheArchive", value: "URI#LINK…", many: true, help: "older form of -archives" },
  { name: "jobconf", value: "NAME=VALUE", repeats: true, help: "older form of -D" },
  { name: "dfs", value: "URL", help: "older form of -fs" },
  { name: "additionalconfspec", value: "FILE", help: "older form of -conf" },
  { name: "verbose", help: "print what was understood" },
  { name: "debug", help: "taken, without effect" },
  { name: "info", help: "this help" },
  { name: "help", help: "this help" },
];

export class StreamingWords {
  private readonly given: ReadonlyMap<string, readonly string[]>;

  constructor(given: ReadonlyMap<string, readonly string[]>) {
    this.given = given;
  }

  has(name: string): boolean {
    return this.given.has(name);
  }

  all(name: string): readonly string[] {
    return this.given.get(name) ?? [];
  }

  /** The last one goes, as in Hadoop. */
  text(name: string): string | undefined {
    return this.given.get(name)?.at(-1);
  }
}

/** Throws USAGE with one line. */
export function parseStreamingWords(words: readonly string[]): StreamingWords {
  const given = new Map<string, string[]>();
  for (let at = 0; at < words.length;) {
    const word = words[at++] ?? "";
    const { flag, inline } = flagOf(word);
    if (flag === undefined) throw new QuorateError("USAGE", unexpected(word));
    const values = given.get(flag.name) ?? [];
    given.set(flag.name, values);
    if (flag.value === undefined) continue;
    if (inline !== undefined) values.push(inline);
    else {
      const end = flag.many === true ? endOfValues(words, at) : at + 1;
      if (at >= words.length || end === at)
        throw new QuorateError("USAGE", `-${flag.name} needs a value: ${flag.value}`);
      values.push(...words.slice(at, end));
      at = end;
    }
  }
  return new StreamingWords(given);
}

/** `-Dname=value` is one word. */
function flagOf(word: string): { readonly flag: StreamingFlag | undefined; readonly inline?: string } {
  if (/^--?D.*=/.test(word)) {
    const flag = STREAMING_FLAGS.find(({ name }) => name === "D");
    return { flag, inline: word.replace(/^--?D/, "") };
  }
  const name = word.replace(/^--?/, "");
  return { flag: word.startsWith("-") ? STREAMING_FLAGS.find((each) => each.name === name) : undefined };
}

function endOfValues(words: readonly string[], from: number): number {
  const next = words.slice(from).findIndex((word) => flagOf(word).flag !== undefined);
  return next < 0 ? words.length : from + next;
}

function unexpected(word: string): string {
  if (!word.startsWith("-")) return `"${word}" is not understood: what has blanks stands in quotes`;
  const known = STREAMING_FLAGS.map(({ name }) => `-${name}`);
  return unknown("flag", word.replace(/^--/, "-"), known);
}
