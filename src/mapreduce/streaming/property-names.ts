/**
 * Names of Hadoop's properties: what a job may be given by their older names, and what scripts read by either. Of the table in
 * Hadoop's ConfigUtil, those that mean something to a streaming job here.
 */

/** By the older name. */
const RENAMED: Readonly<Record<string, string>> = {
  "job.local.dir": "mapreduce.job.local.dir",
  "key.value.separator.in.input.line": "mapreduce.input.keyvaluelinerecordreader.key.value.separator",
  "map.input.file": "mapreduce.map.input.file",
  "map.input.length": "mapreduce.map.input.length",
  "map.input.start": "mapreduce.map.input.start",
  "map.output.key.field.separator": "mapreduce.map.output.key.field.separator",
  "mapred.cache.archives": "mapreduce.job.cache.archives",
  "mapred.cache.files": "mapreduce.job.cache.files",
  "mapred.cache.localArchives": "mapreduce.job.cache.local.archives",
  "mapred.cache.localFiles": "mapreduce.job.cache.local.files",
  "mapred.compress.map.output": "mapreduce.map.output.compress",
  "mapred.input.dir": "mapreduce.input.fileinputformat.inputdir",
  "mapred.job.id": "mapreduce.job.id",
  "mapred.job.map.memory.mb": "mapreduce.map.memory.mb",
  "mapred.job.name": "mapreduce.job.name",
  "mapred.job.priority": "mapreduce.job.priority",
  "mapred.job.queue.name": "mapreduce.job.queuename",
  "mapred.job.reduce.memory.mb": "mapreduce.reduce.memory.mb",
  "mapred.line.input.format.linespermap": "mapreduce.input.lineinputformat.linespermap",
  "mapred.local.dir": "mapreduce.cluster.local.dir",
  "mapred.map.max.attempts": "mapreduce.map.maxattempts",
  "mapred.map.output.compression.codec": "mapreduce.map.output.compress.codec",
  "mapred.map.tasks": "mapreduce.job.maps",
  "mapred.map.tasks.speculative.execution": "mapreduce.map.speculative",
  "mapred.max.split.size": "mapreduce.input.fileinputformat.split.maxsize",
  "mapred.min.split.size": "mapreduce.input.fileinputformat.split.minsize",
  "mapred.output.compress": "mapreduce.output.fileoutputformat.compress",
  "mapred.output.compression.codec": "mapreduce.output.fileoutputformat.compress.codec",
  "mapred.output.dir": "mapreduce.output.fileoutputformat.outputdir",
  "mapred.output.key.comparator.class": "mapreduce.job.output.key.comparator.class",
  "mapred.partitioner.class": "mapreduce.job.partitioner.class",
  "mapreduce.partitioner.class": "mapreduce.job.partitioner.class",
  "mapred.reduce.max.attempts": "mapreduce.reduce.maxattempts",
  "mapred.reduce.tasks": "mapreduce.job.reduces",
  "mapred.reduce.tasks.speculative.execution": "mapreduce.reduce.speculative",
  "mapred.skip.map.max.skip.records": "mapreduce.map.skip.maxrecords",
  "mapred.skip.on": "mapreduce.job.skiprecords",
  "mapred.task.id": "mapreduce.task.attempt.id",
  "mapred.task.is.map": "mapreduce.task.ismap",
  "mapred.task.partition": "mapreduce.task.partition",
  "mapred.task.timeout": "mapreduce.task.timeout",
  "mapred.text.key.comparator.options": "mapreduce.partition.keycomparator.options",
  "mapred.text.key.partitioner.options": "mapreduce.partition.keypartitioner.options",
  "mapred.textoutputformat.separator": "mapreduce.output.textoutputformat.separator",
  "mapred.tip.id": "mapreduce.task.id",
  "mapred.work.output.dir": "mapreduce.task.output.dir",
  "mapred.working.dir": "mapreduce.job.working.dir",
  "user.name": "mapreduce.job.user.name",
};

export type Properties = Readonly<Record<string, string>>;

/** The name that a property has today. */
export function currentName(name: string): string {
  return RENAMED[name] ?? name;
}

/** Properties by their names of today; a later one goes before an earlier one of the same name. */
export function withCurrentNames(properties: Properties): Properties {
  return Object.fromEntries(Object.entries(properties).map(([name, value]) => [currentName(name), value]));
}

/** The same under the older names too, for scripts that read those. */
export function withOlderNames(properties: Properties): Properties {
  const older = Object.entries(RENAMED).flatMap(([name, current]) => {
    const value = properties[current];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(older), ...properties };
}
