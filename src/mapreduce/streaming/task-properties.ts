/** The properties that Hadoop gives a task, for the environment of its executables. */
import type { CacheFile, JobSpec, Split } from "../job-spec.ts";
import { attemptName } from "../job-spec.ts";
import type { TaskOrder } from "../task/orders.ts";
import type { Properties } from "./property-names.ts";
import { withCurrentNames } from "./property-names.ts";

export function taskProperties(order: TaskOrder): Properties {
  const { spec, attempt, directory } = order;
  const name = attemptName(attempt);
  const { settings } = spec;
  return {
    "mapreduce.job.id": attempt.job,
    "mapreduce.job.name": spec.name,
    "mapreduce.job.user.name": spec.user,
    "mapreduce.job.reduces": String(settings.reduces),
    ...(order.type === "reduce" && { "mapreduce.job.maps": String(order.maps) }),
    "mapreduce.job.local.dir": directory,
    "mapreduce.cluster.local.dir": directory,
    "mapreduce.job.working.dir": pathUrl(order.fileSystem, `/user/${spec.user}`),
    "mapreduce.input.fileinputformat.inputdir": inputsOf(order),
    "mapreduce.output.fileoutputformat.outputdir": pathUrl(order.fileSystem, spec.output),
    "mapreduce.task.attempt.id": name,
    "mapreduce.task.id": name.replace(/^attempt/, "task").replace(/_\d+$/, ""),
    "mapreduce.task.partition": String(attempt.task),
    "mapreduce.task.ismap": String(order.type !== "reduce"),
    ...(order.type !== "sample" && { "mapreduce.task.output.dir": pathUrl(order.fileSystem, order.output) }),
    "mapreduce.task.timeout": String(settings.progressTimeoutMs),
    "mapreduce.map.maxattempts": String(settings.attempts),
    "mapreduce.reduce.maxattempts": String(settings.attempts),
    ...cacheProperties(order, false),
    ...cacheProperties(order, true),
    ...(order.type === "map" && splitProperties(order.fileSystem, order.split)),
    "stream.addenvironment": environmentText(spec),
    ...withCurrentNames(spec.properties),
  };
}

function splitProperties(fileSystem: string, { path, start, length }: Split): Properties {
  return {
    "mapreduce.map.input.file": pathUrl(fileSystem, path),
    "mapreduce.map.input.start": String(start),
    "mapreduce.map.input.length": String(length),
  };
}

/** As Hadoop writes a path: files of this machine begin with `file:/`. */
function pathUrl(fileSystem: string, path: string): string {
  return fileSystem === "file:///" ? `file:${path}` : `${fileSystem.replace(/\/$/, "")}${path}`;
}

function inputsOf({ spec, fileSystem }: TaskOrder): string {
  return spec.inputs.flatMap(({ paths }) => paths.map((path) => pathUrl(fileSystem, path))).join(",");
}

function cacheProperties({ spec, fileSystem, directory }: TaskOrder, archives: boolean): Properties {
  const files = spec.cacheFiles.filter(({ archive = false }) => archive === archives);
  if (files.length === 0) return {};
  const [all, local] = archives ? ["archives", "local.archives"] : ["files", "local.files"];
  const listed = (text: (file: CacheFile) => string): string => files.map(text).join(",");
  return {
    [`mapreduce.job.cache.${all}`]: listed(({ path, link }) => `${pathUrl(fileSystem, path)}#${link}`),
    [`mapreduce.job.cache.${local}`]: listed(({ link }) => `${directory}/${link}`),
  };
}

function environmentText({ program }: JobSpec): string {
  if (program.type !== "streaming") return "";
  return Object.entries(program.environment)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}
