/** Hadoop's MapReduce in one process (its local mode: the real sort, merge, partitioners and streaming), beside Quorate's. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Ended } from "../files/clients/program.ts";
import { hadoopWords, runProgram } from "../files/clients/program.ts";

const MAIN = resolve(import.meta.dirname, "../../dist/cli/main.js");

/** `quorate` with these words. */
export function quorate(args: readonly string[], directory: string): Promise<Ended> {
  return runProgram(process.execPath, [MAIN, ...args], { directory });
}

/** What runs a class of Hadoop, in local mode. */
export function hadoopCommand(main: string): readonly string[] {
  return ["java", ...hadoopWords(main, [], "hadoop-mapreduce-3.4.2")];
}

/** Generic options of every job, in their own directory. */
export function localMode(directory: string): readonly string[] {
  const temporary = join(directory, "hadoop");
  return [
    "-D",
    "mapreduce.framework.name=local",
    "-D",
    `hadoop.tmp.dir=${temporary}`,
    "-D",
    `stream.tmpdir=${directory}`,
  ];
}

export const STREAMING = "streaming.HadoopStreaming";

export function hadoop(main: string, args: readonly string[], directory: string): Promise<Ended> {
  const [java = "", ...words] = [...hadoopCommand(main), ...args];
  return runProgram(java, words, { directory });
}

/** Files of an output by name, those of Hadoop's checksums left out. */
export function filesOf(output: string): Readonly<Record<string, Buffer>> {
  const names = readdirSync(output).filter((name) => !name.startsWith("."));
  return Object.fromEntries(names.toSorted().map((name) => [name, readFileSync(join(output, name))]));
}

export function writeFiles(directory: string, files: Readonly<Record<string, string | Buffer>>): void {
  mkdirSync(directory, { recursive: true });
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(directory, name), content, { mode: 0o755 });
}
