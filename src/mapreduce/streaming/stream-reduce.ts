/** The reduce of a streaming job: sorted records to an executable, to an aggregate, or as they are. */
import { ByteSink } from "../codec/byte-sink.ts";
import { equalBytes } from "../key-order.ts";
import type { ReduceStageOptions } from "../task/program.ts";
import type { Aggregator } from "./aggregate.ts";
import { createAggregator, splitAggregateKey } from "./aggregate.ts";
import type { KeyKind, StreamingKeys } from "./keys.ts";
import { outputLines } from "./output-lines.ts";
import type { TakePair } from "./record-pipes.ts";
import { putPair } from "./record-pipes.ts";
import type { StreamingProgram, StreamingSettings } from "./settings.ts";
import { Tool } from "./tool.ts";

export interface StreamReduceOptions extends ReduceStageOptions {
  readonly program: StreamingProgram;
  readonly settings: StreamingSettings;
  readonly keys: StreamingKeys;
  readonly keyKind: KeyKind;
}

/** Records between two looks at the clock. */
const TURN_RECORDS = 4096;

/** A record with its key as it was before it was encoded. */
type Visit = (
  bytes: Buffer,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
) => void | Promise<void>;

export async function streamReduce(options: StreamReduceOptions): Promise<void> {
  const { program, records, outputs, settings } = options;
  const isThere = records.next();
  if (program.reducer === undefined || isIdentity(program.reducer)) {
    const emit = outputLines(outputs, settings, program, settings.fromMapper.format);
    return visitAll(options, isThere, (bytes, keyStart, keyEnd, valueStart, valueEnd) => {
      const key = printedKey(options.keyKind, bytes, keyStart, keyEnd);
      emit(key, 0, key.length, bytes, valueStart, valueEnd);
    });
  }
  if (isAggregate(program)) return aggregate(options, isThere);
  return pipe(options, program.reducer, isThere);
}

export function isAggregate({ reducer }: StreamingProgram): boolean {
  return reducer?.toLowerCase() === "aggregate";
}

export function isIdentity(command: string): boolean {
  return /^org\.apache\.hadoop\.mapred\.lib\.Identity(Mapper|Reducer)$/.test(command);
}

/** An executable with nothing to read is run all the same, and what it says of no record counts for nothing. */
async function pipe(options: StreamReduceOptions, command: string, isThere: boolean): Promise<void> {
  const { program, settings, order, task, outputs, keyKind } = options;
  const { toReducer, fromReducer } = settings;
  const emit = outputLines(outputs, settings, program, fromReducer.format);
  const take: TakePair = isThere ? emit : () => undefined;
  const tool = new Tool({
    role: "reducer",
    command,
    order,
    program,
    settings,
    task,
    from: fromReducer,
    take,
    settle: () => outputs.settle(),
    mute: !isThere,
  });
  const { executable } = tool;
  let roomy = true;
  const put = (bytes: Uint8Array, start: number, end: number): void => {
    roomy = executable.write(bytes, start, end);
  };
  try {
    await visitAll(options, isThere, (bytes, keyStart, keyEnd, valueStart, valueEnd) => {
      if (executable.missedInput) return tool.deafened(() => false);
      const key = printedKey(keyKind, bytes, keyStart, keyEnd);
      const pair = { key, keyStart: 0, keyEnd: key.length, value: bytes, valueStart, valueEnd };
      putPair(toReducer.format, toReducer.separator, pair, put);
      return roomy ? undefined : executable.room();
    });
    await tool.finish(() => false);
  } finally {
    executable.kill();
  }
}

function printedKey(kind: KeyKind, bytes: Buffer, start: number, end: number): Buffer {
  return kind === "offset" ? Buffer.from(String(bytes.readBigUInt64BE(start))) : bytes.subarray(start, end);
}

async function aggregate(options: StreamReduceOptions, isThere: boolean): Promise<void> {
  const { program, settings, outputs } = options;
  const emit = outputLines(outputs, settings, program, "text");
  const groups = new AggregateGroups(settings, (key, aggregator) => {
    const [id, report] = [Buffer.from(splitAggregateKey(key).id), Buffer.from(aggregator.report())];
    emit(id, 0, id.length, report, 0, report.length);
  });
  await visitAll(options, isThere, (bytes, keyStart, keyEnd, valueStart, valueEnd) =>
    groups.add(bytes, keyStart, keyEnd, valueStart, valueEnd),
  );
  groups.end();
}

/** Aggregates, one for each run of equal keys. */
export class AggregateGroups {
  private readonly maxUnique: number;
  private readonly give: (key: string, aggregator: Aggregator) => void;
  private readonly key = new ByteSink();
  private aggregator: Aggregator | undefined;

  constructor({ properties }: StreamingSettings, give: (key: string, aggregator: Aggregator) => void) {
    const max =
      properties["mapreduce.aggregate.max.num.unique.values"] ??
      properties["aggregate.max.num.unique.values"];
    this.maxUnique = max === undefined ? Infinity : Number(max);
    this.give = give;
  }

  add(bytes: Buffer, keyStart: number, keyEnd: number, valueStart: number, valueEnd: number): void {
    const { key } = this;
    if (this.aggregator === undefined || !equalBytes(key.bytes, 0, key.length, bytes, keyStart, keyEnd)) {
      this.end();
      key.clear().raw(bytes, keyStart, keyEnd);
      this.aggregator = createAggregator(splitAggregateKey(this.text()).type, this.maxUnique);
    }
    this.aggregator.add(bytes.toString("utf8", valueStart, valueEnd));
  }

  end(): void {
    if (this.aggregator !== undefined) this.give(this.text(), this.aggregator);
    this.aggregator = undefined;
  }

  private text(): string {
    return this.key.bytes.toString("utf8", 0, this.key.length);
  }
}

async function visitAll(options: StreamReduceOptions, isThere: boolean, visit: Visit): Promise<void> {
  const { records, keys, task, outputs } = options;
  const { system } = task.counters;
  const last = new ByteSink();
  let isFirst = true;
  for (let turn = 0; isThere; isThere = records.next()) {
    const { bytes, keyStart, keyEnd } = records;
    system.REDUCE_INPUT_RECORDS++;
    if (isFirst || !equalBytes(last.bytes, 0, last.length, bytes, keyStart, keyEnd)) {
      system.REDUCE_INPUT_GROUPS++;
      last.clear().raw(bytes, keyStart, keyEnd);
      isFirst = false;
    }
    const key = keys.within(bytes, keyStart, keyEnd);
    const waits = visit(bytes, key.start, key.end, records.valueStart, records.valueEnd);
    if (waits !== undefined) await waits;
    if (++turn % TURN_RECORDS !== 0) continue;
    task.tick();
    const behind = outputs.settle();
    if (behind !== undefined) await behind;
  }
}
