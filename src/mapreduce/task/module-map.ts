/** The map function of a job's module. */
import { ByteSink } from "../codec/byte-sink.ts";
import type { Codec } from "../codec/codec.ts";
import { QuorateError } from "../../runtime/errors.ts";
import { cannotEncode } from "../codec/codec.ts";
import type { Fold, Job, Mapped, Shuffle } from "../job.ts";
import type { Emission } from "./emission.ts";
import { emitterOf, namedOutputs } from "./module-output.ts";
import type { MapStage, MapStageOptions } from "./program.ts";

/** What the program's `out` is, its types forgotten. */
interface Out {
  emit(...record: never[]): void;
  to(name: string): unknown;
}

export async function openModuleMap(
  job: Job,
  mapped: Mapped<unknown, unknown>,
  options: MapStageOptions,
): Promise<MapStage> {
  const { collector, place, task, outputs } = options;
  const { shuffle } = job;
  if ((shuffle === undefined) !== (collector === undefined))
    throw new QuorateError(
      "ARGUMENT_INVALID",
      shuffle === undefined
        ? "a job of maps only was begun with reduces"
        : "a job with a reduce was begun without reduces",
    );
  const named = namedOutputs(job, outputs);
  const out: Out =
    shuffle === undefined || collector === undefined
      ? { emit: emitterOf(outputs.writer("part", job.output.compress), job.output), ...named }
      : { emit: emitTo(shuffle, collector), ...named };
  const { input, map, mapBytes, mapStart, mapEnd } = mapped;
  await mapStart?.(task);
  const end = async (): Promise<void> => {
    await mapEnd?.(out as never, task);
  };
  if (mapBytes !== undefined && shuffle !== undefined && collector !== undefined) {
    const byteOut = { ...byteEmitters(shuffle, collector), ...named };
    return { record: (bytes, from, to) => mapBytes(bytes, from, to, byteOut as never, task), end };
  }
  if (map === undefined) throw new QuorateError("ARGUMENT_INVALID", "mapBytes in a job of maps only");
  return {
    record(bytes, from, to) {
      const record = input.parse(bytes, from, to, place);
      return record === undefined ? undefined : map(record as never, out as never, task);
    },
    end,
  };
}

type Emit = (key: never, value: never) => void;

function emitTo({ key, value, combine }: Shuffle, collector: Emission): Emit {
  const keySink = new ByteSink();
  if (combine !== undefined && "fold" in combine) {
    const amountOf = amounts(combine, value);
    return ((one: unknown, amount: unknown) => {
      key.write(one, keySink.clear());
      collector.fold(keySink.bytes, 0, keySink.length, amountOf(amount));
    }) as Emit;
  }
  const valueSink = new ByteSink();
  return ((one: unknown, other: unknown) => {
    key.write(one, keySink.clear());
    value.write(other, valueSink.clear());
    collector.add(keySink.bytes, 0, keySink.length, valueSink.bytes, 0, valueSink.length);
  }) as Emit;
}

interface ByteEmitters {
  emit(bytes: Buffer, start: number, end: number, value: unknown): void;
  emitBytes(bytes: Buffer, keyStart: number, keyEnd: number, valueStart: number, valueEnd: number): void;
}

function byteEmitters({ value, combine }: Shuffle, collector: Emission): ByteEmitters {
  if (combine !== undefined && "fold" in combine) {
    const amountOf = amounts(combine, value);
    return {
      emit: (bytes, start, end, amount) => collector.fold(bytes, start, end, amountOf(amount)),
      emitBytes: (bytes, keyStart, keyEnd, valueStart, valueEnd) =>
        collector.fold(bytes, keyStart, keyEnd, amountOf(value.read(bytes, valueStart, valueEnd))),
    };
  }
  const valueSink = new ByteSink();
  return {
    emit(bytes, start, end, one) {
      value.write(one, valueSink.clear());
      collector.add(bytes, start, end, valueSink.bytes, 0, valueSink.length);
    },
    emitBytes: (bytes, keyStart, keyEnd, valueStart, valueEnd) =>
      collector.add(bytes, keyStart, keyEnd, bytes, valueStart, valueEnd),
  };
}

/** What a value adds to a fold: 1 when values are counted, else itself, if it is one of the codec's. */
function amounts({ fold }: Fold, { name }: Codec<unknown>): (value: unknown) => number {
  if (fold === "count") return () => 1;
  const isOne = name === "integer" ? Number.isSafeInteger : isNumber;
  return (value) => {
    if (!isOne(value)) throw cannotEncode(name, value);
    return value as number;
  };
}

function isNumber(value: unknown): value is number {
  return typeof value === "number";
}
