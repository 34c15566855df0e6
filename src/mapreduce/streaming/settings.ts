/** What the properties of a streaming job say about how records pass to and from its executables. */
import { QuorateError } from "../../runtime/errors.ts";
import type { JobSpec, Program } from "../job-spec.ts";
import type { KeyRule } from "./key-split.ts";
import type { Properties } from "./property-names.ts";
import { withCurrentNames } from "./property-names.ts";
import { REPORTER_PREFIX } from "./reporter.ts";

export type StreamingProgram = Extract<Program, { readonly type: "streaming" }>;

/** How records look on a pipe. */
export type PipeFormat = "text" | "rawbytes" | "typedbytes";
/** What the mapper gets of a file. */
export type StreamInput = "text" | "keyValue";

export interface StreamingSettings {
  readonly properties: Properties;
  readonly input: StreamInput;
  /** The mapper is given keys too, not the lines alone. */
  readonly givesKeys: boolean;
  /** Of key and value in a line of KeyValueTextInputFormat. */
  readonly inputSeparator: Buffer;
  readonly toMapper: { readonly format: PipeFormat; readonly separator: Buffer };
  readonly fromMapper: { readonly format: PipeFormat; readonly rule: KeyRule };
  readonly toReducer: { readonly format: PipeFormat; readonly separator: Buffer };
  readonly fromReducer: { readonly format: PipeFormat; readonly rule: KeyRule };
  /** Between key and value in the files of the output. */
  readonly outputSeparator: Buffer;
  readonly output: "text" | "null";
  readonly compressOutput: boolean;
  readonly reporterPrefix: string;
  readonly failsOnExitCode: boolean;
  /** A mapper that reads no more after so many records that it wrote has not failed. */
  readonly enoughRecords: number;
}

const CLASS =
  /^(?:org\.apache\.hadoop\.(?:mapred|mapreduce\.lib\.(?:input|output|partition)|mapred\.lib)\.)?(\w+)$/;

/** The last part of a class of Hadoop's own; what else was given stays as it is. */
export function hadoopClass(name: string): string {
  return CLASS.exec(name)?.[1] ?? name;
}

/** Throws UNSUPPORTED for formats that are not there, USAGE for values that are none. */
export function streamingSettings(spec: JobSpec, program: StreamingProgram): StreamingSettings {
  const properties = withCurrentNames(spec.properties);
  const input = inputOf(program, properties);
  const separator = (name: string): Buffer => Buffer.from(properties[name] ?? "\t");
  const rule = (which: "map" | "reduce"): KeyRule => ({
    separator: separator(`stream.${which}.output.field.separator`),
    fields: countOf(properties, `stream.num.${which}.output.key.fields`, 1),
  });
  const format = (pipe: string): PipeFormat => formatOf(properties[`stream.${pipe}`] ?? program.io ?? "text");
  const toMapper = format("map.input");
  return {
    properties,
    input,
    givesKeys: toMapper !== "text" || !flagOf(properties, "stream.map.input.ignoreKey", input === "text"),
    inputSeparator: separator("mapreduce.input.keyvaluelinerecordreader.key.value.separator"),
    toMapper: { format: toMapper, separator: separator("stream.map.input.field.separator") },
    fromMapper: { format: format("map.output"), rule: rule("map") },
    toReducer: {
      format: format("reduce.input"),
      separator: separator("stream.reduce.input.field.separator"),
    },
    fromReducer: { format: format("reduce.output"), rule: rule("reduce") },
    outputSeparator: separator("mapreduce.output.textoutputformat.separator"),
    output: outputOf(program),
    compressOutput: compressionOf(properties),
    reporterPrefix: properties["stream.stderr.reporter.prefix"] ?? REPORTER_PREFIX,
    failsOnExitCode: flagOf(properties, "stream.non.zero.exit.is.failure", true),
    enoughRecords: countOf(properties, "stream.minRecWrittenToEnableSkip_", Infinity),
  };
}

function inputOf({ inputFormat }: StreamingProgram, properties: Properties): StreamInput {
  const reader = properties["stream.recordreader.class"];
  if (reader !== undefined)
    throw new QuorateError("UNSUPPORTED", `-inputreader ${reader}: no reader of records is there but lines`);
  switch (hadoopClass(inputFormat ?? "TextInputFormat")) {
    case "TextInputFormat":
      return "text";
    case "KeyValueTextInputFormat":
      return "keyValue";
    default:
      throw unsupported("-inputformat", inputFormat ?? "", "TextInputFormat, KeyValueTextInputFormat");
  }
}

function outputOf({ outputFormat }: StreamingProgram): StreamingSettings["output"] {
  switch (hadoopClass(outputFormat ?? "TextOutputFormat")) {
    case "TextOutputFormat":
      return "text";
    case "NullOutputFormat":
      return "null";
    default:
      throw unsupported("-outputformat", outputFormat ?? "", "TextOutputFormat, NullOutputFormat");
  }
}

function compressionOf(properties: Properties): boolean {
  const codec = properties["mapreduce.output.fileoutputformat.compress.codec"];
  if (!flagOf(properties, "mapreduce.output.fileoutputformat.compress", false)) return false;
  if (codec !== undefined && codec.split(".").at(-1) === "GzipCodec") return true;
  const asked = codec ?? "DefaultCodec";
  throw unsupported(
    "mapreduce.output.fileoutputformat.compress.codec",
    asked,
    "org.apache.hadoop.io.compress.GzipCodec",
  );
}

function formatOf(name: string): PipeFormat {
  const format = name.toLowerCase();
  if (format === "text" || format === "rawbytes" || format === "typedbytes") return format;
  throw unsupported("-io", name, "text, rawbytes, typedbytes");
}

function countOf(properties: Properties, name: string, otherwise: number): number {
  const text = properties[name];
  if (text === undefined) return otherwise;
  if (!/^\d{1,15}$/.test(text))
    throw new QuorateError("USAGE", `-D ${name} must be a whole number, not "${text}"`);
  return Number(text);
}

function flagOf(properties: Properties, name: string, otherwise: boolean): boolean {
  const text = properties[name]?.trim().toLowerCase();
  return text === "true" ? true : text === "false" ? false : otherwise;
}

function unsupported(what: string, given: string, known: string): QuorateError {
  return new QuorateError("UNSUPPORTED", `${what} ${given} is not there; there are ${known}`);
}
