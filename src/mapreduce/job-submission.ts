/** From what a client sends to a job spec, or to an error that says what is wrong with it. */
import { QuorateError } from "../runtime/errors.ts";
import type { JobSubmission } from "./job-api.ts";
import type { Surroundings } from "./job-settings.ts";
import { defaultJobSettings, settingsWith } from "./job-settings.ts";
import type { CacheFile, InputSpec, JobSpec, Program } from "./job-spec.ts";

const NAME_MAX = 200;
const PATH_MAX = 8_000;
/** Of inputs, paths of one, cache files, properties. */
const LIST_MAX = 10_000;
/** Characters of all properties, and of streaming's environment. */
const PROPERTIES_MAX = 512 * 1024;
const COMMAND_MAX = 64 * 1024;
const SUBMISSION = /^[0-9a-z-]{16,64}$/;
const SHA256 = /^[0-9a-f]{64}$/;

/**
 * The spec of a submission, which may be anything that JSON can say. Throws ARGUMENT_INVALID; PATH_INVALID for a path that is
 * not absolute.
 */
export function jobSpecOf(submitted: unknown, surroundings: Surroundings): JobSpec {
  const given = objectOf(submitted, "a job") as Partial<Record<keyof JobSubmission, unknown>>;
  const program = programOf(given.program);
  const defaults = defaultJobSettings(surroundings);
  const mapsOnly = program.type === "streaming" && program.reducer === "NONE";
  const settings = settingsWith(defaults, {
    ...(mapsOnly ? { reduces: 0 } : {}),
    ...objectOf(given.settings ?? {}, "settings"),
  });
  if (mapsOnly && settings.reduces !== 0) throw invalid("reducer NONE goes with no reduces");
  const inputs = listOf(given.inputs, "inputs").map(inputOf);
  if (inputs.length === 0) throw invalid("inputs: at least one is needed");
  const ranges =
    given.ranges === undefined ? undefined : listOf(given.ranges, "ranges").map((each) => base64Of(each));
  if (ranges !== undefined && ranges.length !== Math.max(0, settings.reduces - 1)) {
    throw invalid(`ranges: ${ranges.length} bounds do not part keys among ${settings.reduces} reduces`);
  }
  const { totalOrder } = given;
  if (totalOrder !== undefined && typeof totalOrder !== "boolean") throw invalid("totalOrder: true or false");
  const output = pathOf(given.output, "output");
  if (output === "/") throw invalid("output: the root cannot be the output of a job");
  return {
    name: given.name === undefined ? nameOf(program) : textOf(given.name, "name", NAME_MAX),
    user: textOf(given.user, "user", NAME_MAX),
    program,
    inputs,
    output,
    settings,
    properties: textsOf(given.properties ?? {}, "properties"),
    cacheFiles: listOf(given.cacheFiles ?? [], "cacheFiles").map(cacheFileOf),
    ...(totalOrder === true ? { totalOrder } : {}),
    ...(ranges === undefined ? {} : { ranges }),
  };
}

/** The submission's own name, or undefined. Throws ARGUMENT_INVALID. */
export function submissionOf(submitted: unknown): string | undefined {
  const { submission } = objectOf(submitted, "a job") as { submission?: unknown };
  if (submission === undefined) return undefined;
  if (typeof submission === "string" && SUBMISSION.test(submission)) return submission;
  throw invalid("submission: 16 to 64 of 0-9a-z-");
}

function programOf(given: unknown): Program {
  const program = objectOf(given, "program");
  if (program["type"] === "module") {
    const bundle = pathOf(program["bundle"], "program.bundle");
    const { sha256 } = program;
    if (typeof sha256 !== "string" || !SHA256.test(sha256))
      throw invalid("program.sha256: 64 hexadecimal digits");
    return { type: "module", bundle, sha256 };
  }
  if (program["type"] !== "streaming") throw invalid('program.type is "module" or "streaming"');
  const { io, lazyOutput } = program;
  if (io !== undefined && io !== "text" && io !== "rawbytes" && io !== "typedbytes") {
    throw invalid('program.io is "text", "rawbytes" or "typedbytes"');
  }
  if (lazyOutput !== undefined && typeof lazyOutput !== "boolean")
    throw invalid("program.lazyOutput: true or false");
  const optional = {} as Record<(typeof COMMANDS)[number], string>;
  for (const name of COMMANDS) {
    if (program[name] !== undefined) optional[name] = textOf(program[name], `program.${name}`, COMMAND_MAX);
  }
  return {
    type: "streaming",
    mapper: textOf(program["mapper"], "program.mapper", COMMAND_MAX),
    ...optional,
    ...(lazyOutput === undefined ? {} : { lazyOutput }),
    ...(io === undefined ? {} : { io }),
    environment: textsOf(program["environment"] ?? {}, "program.environment"),
  };
}

const COMMANDS = ["reducer", "combiner", "partitioner", "inputFormat", "outputFormat"] as const;

function nameOf(program: Program): string {
  const text = program.type === "module" ? program.bundle : program.mapper.split(" ", 1)[0]!;
  return text.slice(text.lastIndexOf("/") + 1).slice(0, NAME_MAX) || "job";
}

function inputOf(given: unknown): InputSpec {
  const input = objectOf(given, "an input");
  const paths = listOf(input["paths"], "inputs.paths").map((each) => pathOf(each, "inputs.paths"));
  if (paths.length === 0) throw invalid("inputs.paths: at least one is needed");
  const mapper = input["mapper"] ?? 0;
  if (!Number.isSafeInteger(mapper) || (mapper as number) < 0 || (mapper as number) > 1_000) {
    throw invalid("inputs.mapper: a whole number from 0 to 1000");
  }
  // What else an input says is its format's business.
  return { ...input, paths, mapper: mapper as number } as InputSpec;
}

function cacheFileOf(given: unknown): CacheFile {
  const file = objectOf(given, "a cache file");
  const link = textOf(file["link"], "cacheFiles.link", 255);
  if (link.includes("/") || link === "." || link === "..") throw invalid("cacheFiles.link: a plain name");
  const { archive } = file;
  if (archive !== undefined && typeof archive !== "boolean")
    throw invalid("cacheFiles.archive: true or false");
  return {
    path: pathOf(file["path"], "cacheFiles.path"),
    link,
    ...(archive === undefined ? {} : { archive }),
  };
}

function objectOf(given: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof given === "object" && given !== null && !Array.isArray(given)) return { ...given };
  throw invalid(`${what}: an object is needed`);
}

function listOf(given: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(given)) throw invalid(`${what}: a list is needed`);
  if (given.length > LIST_MAX) throw invalid(`${what}: at most ${LIST_MAX}`);
  return given;
}

function textOf(given: unknown, what: string, max: number): string {
  if (typeof given !== "string" || given === "" || given.length > max) {
    throw invalid(`${what}: a text of 1 to ${max} characters is needed`);
  }
  return given;
}

function textsOf(given: unknown, what: string): Readonly<Record<string, string>> {
  const texts: Record<string, string> = {};
  let size = 0;
  for (const [name, value] of Object.entries(objectOf(given, what))) {
    if (typeof value !== "string") throw invalid(`${what}.${name.slice(0, 100)}: a text is needed`);
    size += name.length + value.length;
    texts[name] = value;
  }
  if (size > PROPERTIES_MAX) throw invalid(`${what}: more than ${PROPERTIES_MAX} characters`);
  return texts;
}

function pathOf(given: unknown, what: string): string {
  const path = textOf(given, what, PATH_MAX);
  if (!path.startsWith("/"))
    throw new QuorateError("PATH_INVALID", `${what}: ${path.slice(0, 300)} is not absolute`);
  // One spelling for one place: what is made below it is compared by name.
  return `/${path.split("/").filter(Boolean).join("/")}`;
}

function base64Of(given: unknown): string {
  if (typeof given === "string" && /^[A-Za-z0-9+/]*={0,2}$/.test(given)) return given;
  throw invalid("ranges: keys in base64 are needed");
}

function invalid(what: string): QuorateError {
  return new QuorateError("ARGUMENT_INVALID", what);
}
