/** Stacks of bundled programs as of the sources they were bundled from, by the bundle's source map. */
import { readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import type { SourceMapPayload } from "node:module";
import { fileURLToPath } from "node:url";

/** ` at name (file:///…:12:34)`, or without a name. */
const POSITION = /(file:\/\/[^\s():]+(?::[^\s():\d][^\s():]*)*):(\d+):(\d+)/;
const COMMENT = /^\/\/# sourceMappingURL=(\S+)\s*$/gm;
const INLINE = /^data:application\/json[^,]*;base64,/;

/** The error's stack, each line of it that lies in a file with a source map by its place in the source. */
export function mappedStack(error: Error): string {
  const maps = new Map<string, SourceMap | undefined>();
  const lines = (error.stack ?? `${error.name}: ${error.message}`).split("\n");
  return lines.map((line) => (line.trimStart().startsWith("at ") ? mapLine(line, maps) : line)).join("\n");
}

function mapLine(line: string, maps: Map<string, SourceMap | undefined>): string {
  const [position, url, row, column] = POSITION.exec(line) ?? [];
  if (position === undefined || url === undefined) return line;
  if (!maps.has(url)) maps.set(url, mapOf(url));
  const entry = maps.get(url)?.findEntry(Number(row) - 1, Number(column) - 1);
  if (entry === undefined || !("originalSource" in entry) || entry.originalSource === undefined) return line;
  const { originalSource, originalLine, originalColumn } = entry;
  return line.replace(position, `${originalSource}:${originalLine + 1}:${originalColumn + 1}`);
}

/** The source map that a file names, in itself or beside it. A file without one, or with a broken one, stays as it is. */
function mapOf(url: string): SourceMap | undefined {
  try {
    const text = readFileSync(fileURLToPath(url), "utf8");
    const target = [...text.matchAll(COMMENT)].at(-1)?.[1];
    if (target === undefined) return undefined;
    const json = INLINE.test(target)
      ? Buffer.from(target.replace(INLINE, ""), "base64").toString("utf8")
      : readFileSync(fileURLToPath(new URL(target, url)), "utf8");
    return new SourceMap(JSON.parse(json) as SourceMapPayload);
  } catch {
    return undefined;
  }
}
