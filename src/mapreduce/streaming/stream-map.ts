/** The map of a streaming job: records of a split to an executable, and what it writes to the collector or to the output. */
import type { MapStage, MapStageOptions } from "../task/program.ts";
import { findKeyEnd } from "./key-split.ts";
import type { StreamingKeys } from "./keys.ts";
import { outputLines } from "./output-lines.ts";
import type { TakePair } from "./record-pipes.ts";
import { putPair } from "./record-pipes.ts";
import type { StreamingProgram, StreamingSettings } from "./settings.ts";
import { Tool } from "./tool.ts";
import { typedLong, typedString } from "./typed-bytes.ts";

export interface StreamMapOptions extends MapStageOptions {
  readonly program: StreamingProgram;
  readonly settings: StreamingSettings;
  readonly keys: StreamingKeys;
}

const [NEWLINE, RETURN] = [10, 13];
const EMPTY = Buffer.alloc(0);

export class StreamMap implements MapStage {
  private readonly options: StreamMapOptions;
  private readonly tool: Tool;
  private readonly cut: CutRecord;
  /** Lines as they are, nothing but them: the usual case, without a detour. */
  private readonly isPlain: boolean;
  private readonly separator: Buffer | undefined;
  private written = 0;
  private roomy = true;

  constructor(options: StreamMapOptions) {
    const { program, settings, order, task, outputs } = options;
    const { toMapper, fromMapper, givesKeys } = settings;
    const emit = emitterOf(options);
    this.options = options;
    this.cut = cutterOf(settings);
    this.isPlain = toMapper.format === "text" && settings.input === "text" && !givesKeys;
    this.separator = givesKeys ? toMapper.separator : undefined;
    this.tool = new Tool({
      role: "mapper",
      command: program.mapper,
      order,
      program,
      settings,
      task,
      from: fromMapper,
      settle: () => outputs.settle(),
      take: (key, keyStart, keyEnd, value, valueStart, valueEnd) => {
        this.written++;
        emit(key, keyStart, keyEnd, value, valueStart, valueEnd);
      },
    });
  }

  record(bytes: Buffer, from: number, end: number): void | Promise<void> {
    const { executable } = this.tool;
    if (executable.missedInput) return this.missed();
    const { position } = this.options.place;
    const start = position === 0 ? from + markLength(bytes, from, end) : from;
    if (this.isPlain) putLine(bytes, start, end, this.put);
    else
      putPair(
        this.options.settings.toMapper.format,
        this.separator,
        this.cut(bytes, start, end, position),
        this.put,
      );
    return this.roomy ? undefined : executable.room();
  }

  end(): Promise<void> {
    return this.tool.finish(this.hasEnough);
  }

  /** Whether it may have stopped reading: by a property that few know, when it wrote enough. */
  private readonly hasEnough = (): boolean => this.written >= this.options.settings.enoughRecords;

  private async missed(): Promise<void> {
    await this.tool.deafened(this.hasEnough);
  }

  private readonly put = (bytes: Uint8Array, start: number, end: number): void => {
    this.roomy = this.tool.executable.write(bytes, start, end);
  };
}

/** Without an executable: keys are positions in the file, as of Hadoop's identity mapper, or those of the lines. */
export function identityMap(options: StreamMapOptions): MapStage {
  const emit = emitterOf(options, "text");
  const position = Buffer.alloc(8);
  return {
    record(bytes, from, end) {
      const { place, settings, collector, outputs } = options;
      const start = place.position === 0 ? from + markLength(bytes, from, end) : from;
      if (settings.input === "keyValue") {
        const pair = cutKeyValue(settings.inputSeparator, bytes, start, end);
        emit(pair.key, pair.keyStart, pair.keyEnd, pair.value, pair.valueStart, pair.valueEnd);
      } else if (collector === undefined) {
        const digits = Buffer.from(String(place.position));
        emit(digits, 0, digits.length, bytes, start, end);
      } else {
        position.writeBigUInt64BE(BigInt(place.position));
        emit(position, 0, position.length, bytes, start, end);
      }
      return outputs.settle();
    },
    end: () => undefined,
  };
}

function emitterOf(
  { collector, outputs, program, settings, keys }: StreamMapOptions,
  format: StreamingSettings["fromMapper"]["format"] = settings.fromMapper.format,
): TakePair {
  if (collector === undefined) return outputLines(outputs, settings, program, format);
  if (keys.plain)
    return (key, keyStart, keyEnd, value, valueStart, valueEnd) =>
      collector.add(key, keyStart, keyEnd, value, valueStart, valueEnd);
  return (key, keyStart, keyEnd, value, valueStart, valueEnd) => {
    const encoded = keys.encode(key, keyStart, keyEnd);
    collector.add(encoded, 0, encoded.length, value, valueStart, valueEnd);
  };
}

type Pair = Parameters<typeof putPair>[2];
type CutRecord = (bytes: Buffer, start: number, end: number, position: number) => Pair;

/** Key and value of a record of the input, as its format and the pipe have them. */
function cutterOf({ input, inputSeparator, toMapper, givesKeys }: StreamingSettings): CutRecord {
  const isTyped = toMapper.format === "typedbytes";
  const typed = (pair: Pair): Pair => (isTyped ? typedPair(pair) : pair);
  if (input === "keyValue")
    return (bytes, start, end) => typed(cutKeyValue(inputSeparator, bytes, start, end));
  if (!givesKeys) return (bytes, start, end) => pairOf(EMPTY, bytes.subarray(start, end));
  return (bytes, start, end, position) => {
    const line = bytes.subarray(start, end);
    if (isTyped) return pairOf(typedLong(position), typedString(line));
    return pairOf(Buffer.from(String(position)), line);
  };
}

function cutKeyValue(separator: Buffer, bytes: Buffer, start: number, end: number): Pair {
  // Hadoop takes the first byte of it.
  const keyEnd = findKeyEnd(bytes, start, end, { separator: separator.subarray(0, 1), fields: 1 });
  if (keyEnd < 0) return pairOf(bytes.subarray(start, end), EMPTY);
  return { key: bytes, keyStart: start, keyEnd, value: bytes, valueStart: keyEnd + 1, valueEnd: end };
}

function typedPair({ key, keyStart, keyEnd, value, valueStart, valueEnd }: Pair): Pair {
  return pairOf(
    typedString(key.subarray(keyStart, keyEnd)),
    typedString(value.subarray(valueStart, valueEnd)),
  );
}

function pairOf(key: Buffer, value: Buffer): Pair {
  return { key, keyStart: 0, keyEnd: key.length, value, valueStart: 0, valueEnd: value.length };
}

/** To Hadoop a carriage return ends a line as well, so that the executable is given two. */
function putLine(bytes: Buffer, start: number, end: number, put: StreamPut): void {
  let from = start;
  for (let at = start; at < end; at++) {
    if (bytes[at] !== RETURN) continue;
    put(bytes, from, at);
    put(LINE_END, 0, 1);
    from = at + 1;
  }
  put(bytes, from, end);
  put(LINE_END, 0, 1);
}

type StreamPut = Parameters<typeof putPair>[3];
const LINE_END = Buffer.of(NEWLINE);

/** Of the three bytes that say that a text is UTF-8, at the beginning of a file: they are no part of its first line. */
function markLength(bytes: Buffer, start: number, end: number): number {
  const isMarked =
    end - start >= 3 && bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf;
  return isMarked ? 3 : 0;
}
