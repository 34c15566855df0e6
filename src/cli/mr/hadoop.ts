/** `--on hadoop`: a typed job on a real Hadoop, submitted through its own Hadoop Streaming with the bundle as executables. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { bundleCalling } from "../../mapreduce/bundle/bundle.ts";
import type { HadoopJob } from "../../mapreduce/hadoop/hadoop-job.ts";
import { NAME_END } from "../../mapreduce/hadoop/partition-names.ts";
import { specOf } from "../../mapreduce/job-outline.ts";
import type { Job } from "../../mapreduce/job.ts";
import type { JobSpec } from "../../mapreduce/job-spec.ts";
import { planLocally } from "../../mapreduce/local/run-locally.ts";
import { splitCommand } from "../../mapreduce/streaming/command-line.ts";
import { QuorateError } from "../../runtime/errors.ts";
import { userName } from "../../runtime/node/user-name.ts";
import type { Call } from "../verb.ts";
import type { JobModule } from "./job-module.ts";
import { pairsOf } from "./repeated.ts";
import type { Repeated } from "./run.ts";
import { inputsOf, settingsOf } from "./run.ts";

const DOOR = "mapreduce/hadoop/run-on-hadoop";
const PARTITIONER = "org.apache.hadoop.mapred.lib.KeyFieldBasedPartitioner";
const MIB = 1024 * 1024;

/** Resolves to Hadoop's own exit code, 0 or 1. What Hadoop says passes through. */
export async function runHadoop(
  call: Call,
  repeated: Repeated,
  module: JobModule,
  output: string,
): Promise<number> {
  const { job } = module;
  refuseWhatHadoopCannot(job);
  const properties = pairsOf("-D", repeated.get("define") ?? []);
  const name = call.text("name");
  const spec = specOf(job, {
    moduleName: module.bundle.name,
    user: call.text("user") ?? userName(),
    bundle: module.path,
    sha256: module.bundle.sha256,
    inputs: inputsOf(job, repeated.get("input") ?? []),
    output,
    settings: settingsOf(call, properties),
    properties,
    ...(name !== undefined && { name }),
  });
  const ranges = spec.totalOrder === true ? await rangesOf(spec, module, call.text("fs")) : undefined;
  const about: HadoopJob = {
    name: spec.name,
    user: spec.user,
    inputs: spec.inputs,
    output: spec.output,
    settings: spec.settings,
    properties: spec.properties,
    ...(spec.totalOrder === true && { totalOrder: true }),
    ...(ranges !== undefined && { ranges }),
  };
  const directory = mkdtempSync(join(tmpdir(), "quorate-hadoop-"));
  try {
    const { code, sha256 } = await bundleCalling(call.positionals[0] ?? "", DOOR, "runOnHadoop", about);
    // By its content: in local mode Hadoop would take a file of the same name that lies about.
    const bundle = join(directory, `job-${sha256.slice(0, 12)}.mjs`);
    writeFileSync(bundle, code);
    const words = hadoopWords(
      job,
      spec,
      [bundle, ...(repeated.get("file") ?? [])],
      call.text("hadoop-node") ?? "node",
    );
    return await runProgram([...streamingProgram(call.text("hadoop")), ...words]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** UNSUPPORTED, with what to do instead. */
function refuseWhatHadoopCannot({ inputs, shuffle, outputs }: Job): void {
  const refuse = (why: string): never => {
    throw new QuorateError("UNSUPPORTED", `--on hadoop: ${why}`);
  };
  for (const { input } of inputs) {
    const { framing } = input;
    if (framing.type !== "lines" || framing.header || framing.quoted)
      refuse(`Hadoop Streaming gives its maps lines: the input format "${input.name}" needs more of a file`);
  }
  if (shuffle?.sort !== undefined)
    refuse("Hadoop sorts by bytes: give the key a codec that has the order, in place of sort");
  if (Object.keys(outputs).length > 0) refuse("Hadoop Streaming has one output: this job has named ones");
}

/** What a total order needs is sampled from here, where the input can be read. */
async function rangesOf(
  spec: JobSpec,
  { path }: JobModule,
  fs: string | undefined,
): Promise<readonly string[] | undefined> {
  if (fs === undefined)
    throw new QuorateError(
      "USAGE",
      "a total order samples the input: tell where it is, --fs webhdfs://namenode:9870 or --fs file:///",
    );
  const absolute = fs.startsWith("file:")
    ? spec.inputs.map((input) => ({ ...input, paths: input.paths.map((each) => resolve(each)) }))
    : spec.inputs;
  const { sample } = await planLocally({ ...spec, inputs: absolute }, { bundle: path, fileSystem: fs });
  return sample.ranges;
}

function hadoopWords(job: Job, spec: JobSpec, files: readonly string[], node: string): readonly string[] {
  const { settings } = spec;
  const run = (role: string): string => `${node} ${basename(files[0] ?? "")} ${role}`;
  // Hadoop takes the output of a combiner as it takes that of the reducer. Where lines always have a tab, both are keys and values;
  // elsewhere a line must stay one thing, and then there is no combiner but the maps' own folds.
  const hasTabs = job.output.separator === "\t";
  const combines = job.shuffle?.combine !== undefined && hasTabs;
  const properties: Readonly<Record<string, string | undefined>> = {
    ...spec.properties,
    "mapreduce.job.name": spec.name,
    "mapreduce.map.maxattempts": String(settings.attempts),
    "mapreduce.reduce.maxattempts": String(settings.attempts),
    "mapreduce.task.timeout": String(settings.progressTimeoutMs),
    "mapreduce.map.speculative": String(settings.speculative),
    "mapreduce.reduce.speculative": String(settings.speculative),
    "mapreduce.map.output.compress": String(settings.compress === "gzip"),
    "mapreduce.input.fileinputformat.split.maxsize":
      settings.splitSize === undefined ? undefined : String(settings.splitSize),
    "mapreduce.map.memory.mb": hadoopMemory(settings.memory),
    // A key is the name of its partition and the key.
    "mapreduce.map.output.key.field.separator": NAME_END,
    "mapreduce.partition.keypartitioner.options": "-k1,1",
    ...(!hasTabs && {
      [settings.reduces === 0 ? "stream.map.output" : "stream.reduce.output"]: "keyonlytext",
    }),
    ...(job.output.compress === "gzip" && {
      "mapreduce.output.fileoutputformat.compress": "true",
      "mapreduce.output.fileoutputformat.compress.codec": "org.apache.hadoop.io.compress.GzipCodec",
    }),
  };
  const defined = Object.entries(properties).flatMap(([key, value]) =>
    value === undefined ? [] : ["-D", `${key}=${value}`],
  );
  return [
    ...defined,
    "-files",
    files.map((file) => (file.includes("#") ? file : `${file}#${basename(file)}`)).join(","),
    ...spec.inputs.flatMap(({ paths }) => paths.flatMap((path) => ["-input", path])),
    "-output",
    spec.output,
    "-mapper",
    run("map"),
    "-numReduceTasks",
    String(settings.reduces),
    ...(settings.reduces === 0 ? [] : ["-reducer", run("reduce"), "-partitioner", PARTITIONER]),
    ...(settings.reduces > 0 && combines ? ["-combiner", run("combine")] : []),
  ];
}

/** A container holds Hadoop's own process besides: its default, and more for a job that wants more. */
function hadoopMemory(bytes: number): string | undefined {
  return bytes > 512 * MIB ? String(Math.ceil(bytes / MIB) + 512) : undefined;
}

/** The command before Hadoop Streaming's own words. Throws USAGE when there is none. */
function streamingProgram(given: string | undefined): readonly string[] {
  if (given !== undefined) return splitCommand(given);
  const home = process.env["HADOOP_HOME"];
  if (home === undefined)
    throw new QuorateError(
      "USAGE",
      "--on hadoop: set HADOOP_HOME, or give the command, --hadoop 'hadoop jar …/hadoop-streaming.jar'",
    );
  const folder = join(home, "share/hadoop/tools/lib");
  const jar = existsSync(folder)
    ? readdirSync(folder).find((file) => /^hadoop-streaming-[\d.]+\.jar$/.test(file))
    : undefined;
  if (jar === undefined)
    throw new QuorateError(
      "USAGE",
      `there is no hadoop-streaming jar in ${folder}; give the command with --hadoop`,
    );
  return [join(home, "bin/hadoop"), "jar", join(folder, jar)];
}

async function runProgram([command = "", ...words]: readonly string[]): Promise<number> {
  const child = spawn(command, words, { stdio: ["ignore", "inherit", "inherit"] });
  const [code] = (await once(child, "exit").catch((cause: unknown) => {
    throw new QuorateError("USAGE", `${command} cannot be run: ${(cause as Error).message}`, { cause });
  })) as [number | null];
  return code === 0 ? 0 : 1;
}
