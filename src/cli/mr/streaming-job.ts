/** From the words of a streaming job to the job: its program, paths as they were written, properties, settings, files to ship. */
import { readFileSync, realpathSync, statSync } from "node:fs";
import { basename } from "node:path";
import type { JobSettings, Program } from "../../mapreduce/job-spec.ts";
import { parseAdded } from "../../mapreduce/streaming/environment.ts";
import type { Properties } from "../../mapreduce/streaming/property-names.ts";
import { currentName } from "../../mapreduce/streaming/property-names.ts";
import { settingsOfProperties } from "../../mapreduce/streaming/property-settings.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { StreamingWords } from "./streaming-flags.ts";
import { xmlProperties } from "./xml-properties.ts";

type StreamingProgram = Extract<Program, { readonly type: "streaming" }>;

/** A file that goes with the job. */
export interface Shipped {
  /** As it was written: a path of this machine, or a URL. */
  readonly source: string;
  readonly link: string;
  readonly archive: boolean;
}

export interface StreamingJob {
  readonly name: string | undefined;
  readonly program: StreamingProgram;
  /** As they were written; commas have been taken apart. */
  readonly inputs: readonly string[];
  readonly output: string;
  readonly properties: Properties;
  readonly settings: Partial<JobSettings>;
  readonly shipped: readonly Shipped[];
  /** What a person should know of what was given. */
  readonly warnings: readonly string[];
}

const JAVA_CLASS = /^(?:[a-z_]\w*\.)+[A-Z]\w*$/;
const IDENTITIES = [
  "org.apache.hadoop.mapred.lib.IdentityMapper",
  "org.apache.hadoop.mapred.lib.IdentityReducer",
];

/** Throws USAGE, or UNSUPPORTED for what only Java can do. */
export function streamingJob(words: StreamingWords): StreamingJob {
  const warnings: string[] = [];
  if (words.has("libjars")) throw new QuorateError("UNSUPPORTED", "-libjars: no Java runs here");
  for (const name of ["mapdebug", "reducedebug"])
    if (words.has(name))
      warnings.push(`-${name} is not run; the log of every attempt is kept: quorate mr logs`);
  const properties = propertiesOf(words);
  const inputs = words.all("input").flatMap((each) => splitAtCommas(each));
  const output = words.text("output");
  if (inputs.length === 0) throw new QuorateError("USAGE", "a streaming job needs -input PATH");
  if (output === undefined) throw new QuorateError("USAGE", "a streaming job needs -output PATH");
  const shipped = shippedOf(words, properties);
  const local = shipped.filter(({ archive }) => !archive);
  const command = (name: string): string | undefined => {
    const text = words.text(name);
    return text === undefined ? undefined : commandOf(text, name, local);
  };
  const { added, odd } = parseAdded(words.all("cmdenv"));
  for (const pair of odd)
    warnings.push(`-cmdenv: "${pair}" is no NAME=VALUE and is left out, as Hadoop does`);
  const settings = { ...settingsOfProperties(properties), ...numberOfReduces(words) };
  const reducer = settings.reduces === 0 ? "NONE" : command("reducer");
  return {
    name: properties["mapreduce.job.name"],
    program: {
      type: "streaming",
      mapper: command("mapper") ?? IDENTITIES[0] ?? "",
      ...optional("reducer", reducer),
      ...optional("combiner", command("combiner")),
      ...optional("partitioner", words.text("partitioner") ?? properties["mapreduce.job.partitioner.class"]),
      ...optional("inputFormat", words.text("inputformat")),
      ...optional("outputFormat", words.text("outputformat")),
      ...(words.has("lazyOutput") && { lazyOutput: true }),
      ...ioOf(words.text("io")),
      environment: added,
    },
    inputs,
    output,
    properties,
    settings: reducer === "NONE" ? { ...settings, reduces: 0 } : settings,
    shipped,
    warnings,
  };
}

function optional<const N extends string>(name: N, value: string | undefined): Partial<Record<N, string>> {
  return value === undefined ? {} : ({ [name]: value } as Record<N, string>);
}

function numberOfReduces(words: StreamingWords): Partial<JobSettings> {
  const text = words.text("numReduceTasks");
  if (text === undefined) return {};
  return settingsOfProperties({ "mapreduce.job.reduces": text });
}

function ioOf(text: string | undefined): Pick<StreamingProgram, "io"> {
  if (text === undefined) return {};
  const io = text.toLowerCase();
  if (io === "text" || io === "rawbytes" || io === "typedbytes") return { io };
  throw new QuorateError("USAGE", `-io is text, rawbytes or typedbytes, not "${text}"`);
}

/** Files first, then -D and -jobconf in their order, by the current names. */
function propertiesOf(words: StreamingWords): Properties {
  const properties: Record<string, string> = {};
  for (const path of [...words.all("conf"), ...words.all("additionalconfspec")])
    for (const [name, value] of Object.entries(xmlProperties(readText(path), path)))
      properties[currentName(name)] = value;
  for (const pair of [...words.all("D"), ...words.all("jobconf")]) {
    const equals = pair.indexOf("=");
    if (equals < 1) throw new QuorateError("USAGE", `-D takes NAME=VALUE, not "${pair}"`);
    properties[currentName(pair.slice(0, equals).trim())] = pair.slice(equals + 1);
  }
  const reader = words.text("inputreader");
  if (reader !== undefined) {
    const [name = "", ...pairs] = reader.split(",");
    properties["stream.recordreader.class"] = name;
    for (const pair of pairs) {
      const [key = "", ...value] = pair.split("=");
      properties[`stream.recordreader.${key}`] = value.join("=");
    }
  }
  return properties;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new QuorateError("USAGE", `${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** Commas part paths, but not within braces of a glob; a backslash before one means the comma itself. */
export function splitAtCommas(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = "";
  for (let at = 0; at < text.length; at++) {
    const letter = text[at] ?? "";
    if (letter === "\\" && text[at + 1] === ",") part += text[++at] ?? "";
    else if (letter === "," && depth === 0) {
      parts.push(part);
      part = "";
    } else {
      if (letter === "{") depth++;
      if (letter === "}" && depth > 0) depth--;
      part += letter;
    }
  }
  return [...parts, part].filter((each) => each !== "");
}

function shippedOf(words: StreamingWords, properties: Properties): readonly Shipped[] {
  const plain = [
    ...words.all("file"),
    ...words.all("cacheFile"),
    ...listed(words.all("files"), properties["tmpfiles"]),
  ];
  const packed = [...words.all("cacheArchive"), ...listed(words.all("archives"), properties["tmparchives"])];
  const all = [
    ...plain.map((source) => shippedAs(source, false)),
    ...packed.map((source) => shippedAs(source, true)),
  ];
  const byLink = new Map<string, Shipped>();
  for (const each of all) {
    const there = byLink.get(each.link);
    if (there !== undefined && there.source !== each.source)
      throw new QuorateError(
        "USAGE",
        `${there.source} and ${each.source} would both be "${each.link}": name one by #LINK`,
      );
    byLink.set(each.link, each);
  }
  return [...byLink.values()];
}

function listed(values: readonly string[], property: string | undefined): readonly string[] {
  return [...values, ...(property === undefined ? [] : [property])]
    .flatMap((value) => value.split(","))
    .filter(Boolean);
}

function shippedAs(text: string, archive: boolean): Shipped {
  const hash = text.lastIndexOf("#");
  const source = (hash < 0 ? text : text.slice(0, hash)).replace(/^file:(\/\/)?(?=\/)/, "");
  const link = hash < 0 ? basename(source) : text.slice(hash + 1);
  if (link === "" || link.includes("/") || link === "." || link === "..")
    throw new QuorateError("USAGE", `"${text}": a link is a plain name, such as #dictionary`);
  if (!source.includes("://")) checkReadable(source);
  return { source, link, archive };
}

function checkReadable(path: string): void {
  try {
    statSync(path);
  } catch (cause) {
    throw new QuorateError("USAGE", `${path} cannot be shipped: ${(cause as Error).message}`, { cause });
  }
}

/** A program that is shipped itself is called by its link, from the directory of the task. */
function commandOf(command: string, role: string, shipped: readonly Shipped[]): string {
  if (JAVA_CLASS.test(command)) {
    if (IDENTITIES.includes(command)) return command;
    throw new QuorateError(
      "UNSUPPORTED",
      `-${role} ${command}: classes of Java do not run here; give an executable`,
    );
  }
  const [name = "", ...rest] = command.split(" ");
  const real = realPath(name);
  const own = shipped.find(({ source }) => real !== undefined && realPath(source) === real);
  return own === undefined ? command : [`./${own.link}`, ...rest].join(" ");
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
