/**
 * The inner loop of the codec as a WebAssembly module, written here instruction by instruction: sixteen bytes at a time, a
 * product in GF(2^8) is two look-ups in tables of sixteen (by the low and by the high four bits), which is one `swizzle`
 * each. As in "Screaming Fast Galois Field Arithmetic Using Intel SIMD Instructions" (Plank, Greenan, Miller, FAST 2013).
 *
 * The module has one function for each number of outputs, `combine1` to `combine4`, of (inputs, bytes): it reads `bytes`
 * bytes, a multiple of 16, of each input and writes as many of each output. All of it is in its memory, laid out below.
 */
import type { Code } from "../web-assembly-code.ts";
import {
  branchIf,
  code,
  END,
  get,
  I32,
  i32,
  I32_ADD,
  I32_LESS,
  I32_SUB,
  I8X16_SHIFT_RIGHT,
  LANES,
  load,
  LOOP,
  MODULE,
  PAGE_BYTES,
  section,
  set,
  sized,
  splat,
  store,
  SWIZZLE,
  tee,
  text,
  unsigned,
  V128,
  V128_AND,
  V128_XOR,
} from "../web-assembly-code.ts";

/** Bytes of each input and output that fit into the memory: together they stay in a processor's second cache. */
export const COLUMN_BYTES: number = 16 * 1024;
/** Inputs of one call. */
export const INPUTS_MAX = 16;
/** Outputs of one call. */
export const OUTPUTS_MAX = 4;
/** Where the tables are: for each input, for each output, 16 products of low and 16 of high four bits. */
export const TABLES_AT = 0;
export const TABLE_BYTES = 32;
const INPUTS_AT = TABLES_AT + INPUTS_MAX * OUTPUTS_MAX * TABLE_BYTES;
const OUTPUTS_AT: number = INPUTS_AT + INPUTS_MAX * COLUMN_BYTES;

export function inputAt(input: number): number {
  return INPUTS_AT + input * COLUMN_BYTES;
}

export function outputAt(output: number): number {
  return OUTPUTS_AT + output * COLUMN_BYTES;
}

/** The bytes of the module. It exports `memory` and `combine1`…`combine4`. */
export function simdModule(): Uint8Array<ArrayBuffer> {
  const counts = Array.from({ length: OUTPUTS_MAX }, (_, at) => at + 1);
  const pages = Math.ceil(outputAt(OUTPUTS_MAX) / PAGE_BYTES);
  const functions = counts.map((count) => code(text(`combine${count}`), [0, count - 1]));
  return Uint8Array.from(
    code(
      MODULE,
      section(1, [1, 0x60, 2, I32, I32, 0]),
      section(3, code([OUTPUTS_MAX], ...counts.map(() => [0]))),
      section(5, code([1, 0x00], unsigned(pages))),
      section(7, code([OUTPUTS_MAX + 1], text("memory"), [2, 0], ...functions)),
      section(10, code([OUTPUTS_MAX], ...counts.map((count) => sized(combine(count))))),
    ),
  );
}

/** outputs[i] = the sum over the inputs j of table(j, i) of inputs[j]. */
function combine(outputs: number): Code {
  const [inputs, bytes, at, left, input, table] = [0, 1, 2, 3, 4, 5];
  const [low, high] = [6, 7];
  const sum = (output: number): number => 8 + output;
  const forEach = (write: (output: number) => Code): Code =>
    Array.from({ length: outputs }, (_, output) => write(output)).flat();
  const addProduct = (output: number): Code =>
    code(
      code(get(sum(output)), get(table), load(TABLE_BYTES * output), get(low), SWIZZLE, V128_XOR),
      code(get(table), load(TABLE_BYTES * output + LANES), get(high), SWIZZLE, V128_XOR, set(sum(output))),
    );
  return code(
    code([2], unsigned(4), [I32], unsigned(2 + outputs), [V128]),
    code(i32(0), set(at), LOOP),
    forEach((output) => code(splat(0), set(sum(output)))),
    code(get(inputs), set(left), i32(TABLES_AT), set(table)),
    code(get(at), i32(INPUTS_AT), I32_ADD, set(input), LOOP),
    code(get(input), load(0), tee(low), i32(4), I8X16_SHIFT_RIGHT, set(high)),
    code(get(low), splat(0x0f), V128_AND, set(low)),
    forEach(addProduct),
    code(get(input), i32(COLUMN_BYTES), I32_ADD, set(input)),
    code(get(table), i32(TABLE_BYTES * outputs), I32_ADD, set(table)),
    code(get(left), i32(1), I32_SUB, tee(left), branchIf(0), END),
    forEach((output) => code(get(at), get(sum(output)), store(outputAt(output)))),
    code(get(at), i32(LANES), I32_ADD, tee(at), get(bytes), I32_LESS, branchIf(0), END),
    END,
  );
}
