/**
 * The inner loop of the codec as a WebAssembly module, written here instruction by instruction: sixteen bytes at a time, a
 * product in GF(2^8) is two look-ups in tables of sixteen (by the low and by the high four bits), which is one `swizzle`
 * each. As in "Screaming Fast Galois Field Arithmetic Using Intel SIMD Instructions" (Plank, Greenan, Miller, FAST 2013).
 *
 * The module has one function for each number of outputs, `combine1` to `combine4`, of (inputs, bytes): it reads `bytes`
 * bytes, a multiple of 16, of each input and writes as many of each output. All of it is in its memory, laid out below.
 */

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
const PAGE_BYTES = 64 * 1024;
const LANES = 16;

export function inputAt(input: number): number {
  return INPUTS_AT + input * COLUMN_BYTES;
}

export function outputAt(output: number): number {
  return OUTPUTS_AT + output * COLUMN_BYTES;
}

type Code = readonly number[];

// The instructions that are used, by their names in the WebAssembly specification (core 2.0, section 5.4).
const I32 = 0x7f;
const V128 = 0x7b;
const END: Code = [0x0b];
const LOOP: Code = [0x03, 0x40];
const REPEAT_IF: Code = [0x0d, 0x00];
const I32_ADD: Code = [0x6a];
const I32_SUB: Code = [0x6b];
const I32_LESS: Code = [0x49];
const SWIZZLE: Code = [0xfd, 0x0e];
const V128_AND: Code = [0xfd, 0x4e];
const V128_XOR: Code = [0xfd, 0x51];
const I8X16_SHIFT_RIGHT: Code = [0xfd, 0x6d];
const get = (local: number): Code => [0x20, ...unsigned(local)];
const set = (local: number): Code => [0x21, ...unsigned(local)];
const tee = (local: number): Code => [0x22, ...unsigned(local)];
const i32 = (value: number): Code => [0x41, ...signed(value)];
const load = (offset: number): Code => [0xfd, 0x00, 0x00, ...unsigned(offset)];
const store = (offset: number): Code => [0xfd, 0x0b, 0x00, ...unsigned(offset)];
const splat = (byte: number): Code => [0xfd, 0x0c, ...Array<number>(LANES).fill(byte)];

/** The bytes of the module. It exports `memory` and `combine1`…`combine4`. */
export function simdModule(): Uint8Array<ArrayBuffer> {
  const counts = Array.from({ length: OUTPUTS_MAX }, (_, at) => at + 1);
  const pages = Math.ceil(outputAt(OUTPUTS_MAX) / PAGE_BYTES);
  const functions = counts.map((count) => code(text(`combine${count}`), [0, count - 1]));
  return Uint8Array.from(
    code(
      [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
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
    code(get(left), i32(1), I32_SUB, tee(left), REPEAT_IF, END),
    forEach((output) => code(get(at), get(sum(output)), store(outputAt(output)))),
    code(get(at), i32(LANES), I32_ADD, tee(at), get(bytes), I32_LESS, REPEAT_IF, END),
    END,
  );
}

function code(...parts: readonly Code[]): Code {
  return parts.flat();
}

function section(id: number, content: Code): Code {
  return [id, ...sized(content)];
}

function sized(content: Code): Code {
  return [...unsigned(content.length), ...content];
}

function text(name: string): Code {
  return sized(Array.from(name, (character) => character.charCodeAt(0)));
}

/** LEB128. */
function unsigned(value: number): Code {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

function signed(value: number): Code {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    if (rest >= -0x40 && rest < 0x40) return [...bytes, rest & 0x7f];
    bytes.push((rest & 0x7f) | 0x80);
  }
}
