/**
 * Sums of products in GF(2^8) over columns of bytes: all that encoding and decoding are. Two kernels give the same: one of
 * WebAssembly's vector instructions, and one of plain tables, many times slower, for a processor or a Node.js without them.
 */
import { multiply } from "./galois-field.ts";
import type { Pieces } from "./pieces.ts";
import { PieceCursor } from "./pieces.ts";
import {
  COLUMN_BYTES,
  INPUTS_MAX,
  inputAt,
  OUTPUTS_MAX,
  outputAt,
  simdModule,
  TABLE_BYTES,
  TABLES_AT,
} from "./simd-module.ts";
import { instantiate } from "../web-assembly-code.ts";

/**
 * For each output i: its bytes become the sum over the inputs j of `coefficients[i * inputs.length + j]` times the bytes of
 * inputs[j]. An input that is shorter counts as if zeros followed. At most 16 inputs; all outputs have one length.
 */
export type Combine = (
  coefficients: Uint8Array,
  inputs: readonly Pieces[],
  outputs: readonly Uint8Array[],
) => void;

type KernelExports = { readonly memory: { readonly buffer: ArrayBuffer } } & Readonly<
  Record<`combine${number}`, (inputs: number, bytes: number) => void>
>;

/** The fastest that runs here. Made at its first use. */
export function columnKernel(): Combine {
  kernel ??= simdKernel() ?? tableKernel;
  return kernel;
}

let kernel: Combine | undefined;

/** Undefined where WebAssembly, or its vector instructions, are missing. */
export function simdKernel(): Combine | undefined {
  const exports = instantiate<KernelExports>(simdModule());
  if (exports === undefined) return undefined;
  const memory = new Uint8Array(exports.memory.buffer);
  return (coefficients, inputs, outputs) => {
    // More outputs than one function makes: as often as it takes.
    for (let first = 0; first < outputs.length; first += OUTPUTS_MAX) {
      const some = outputs.slice(first, first + OUTPUTS_MAX);
      const rows = coefficients.subarray(first * inputs.length, (first + some.length) * inputs.length);
      combineSome(memory, exports[`combine${some.length}`]!, rows, inputs, some);
    }
  };
}

function combineSome(
  memory: Uint8Array,
  run: (inputs: number, bytes: number) => void,
  coefficients: Uint8Array,
  inputs: readonly Pieces[],
  outputs: readonly Uint8Array[],
): void {
  if (inputs.length === 0 || inputs.length > INPUTS_MAX) throw new RangeError("from 1 to 16 inputs");
  writeTables(memory, coefficients, inputs.length, outputs.length);
  const cursors = inputs.map((pieces) => new PieceCursor(pieces));
  const length = outputs[0]?.length ?? 0;
  for (let at = 0; at < length; at += COLUMN_BYTES) {
    const size = Math.min(COLUMN_BYTES, length - at);
    cursors.forEach((cursor, input) => cursor.take(memory, inputAt(input), size));
    run(inputs.length, Math.ceil(size / 16) * 16);
    outputs.forEach((output, index) => {
      const from = outputAt(index);
      output.set(memory.subarray(from, from + size), at);
    });
  }
}

function writeTables(memory: Uint8Array, coefficients: Uint8Array, inputs: number, outputs: number): void {
  for (let input = 0; input < inputs; input++) {
    for (let output = 0; output < outputs; output++) {
      const factor = coefficients[output * inputs + input]!;
      const at = TABLES_AT + TABLE_BYTES * (input * outputs + output);
      for (let bits = 0; bits < 16; bits++) {
        memory[at + bits] = multiply(factor, bits);
        memory[at + 16 + bits] = multiply(factor, bits << 4);
      }
    }
  }
}

/** Without WebAssembly: one look-up for each byte of an input gives its products for four outputs. */
export const tableKernel: Combine = (coefficients, inputs, outputs) => {
  for (let first = 0; first < outputs.length; first += PACKED) {
    const some = outputs.slice(first, first + PACKED);
    const tables = inputs.map((_, input) => {
      const column = some.map((__, row) => coefficients[(first + row) * inputs.length + input]!);
      return packedProducts(column);
    });
    combinePacked(tables, inputs, some);
  }
};

const PACKED = 4;

/** By byte: its products with each factor, eight bits each. */
function packedProducts(factors: readonly number[]): Int32Array {
  const products = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    for (const [row, factor] of factors.entries()) products[byte]! |= multiply(factor, byte) << (8 * row);
  }
  return products;
}

function combinePacked(
  tables: readonly Int32Array[],
  inputs: readonly Pieces[],
  outputs: readonly Uint8Array[],
): void {
  const column = new Uint8Array(COLUMN_BYTES);
  const sums = new Int32Array(COLUMN_BYTES);
  const cursors = inputs.map((pieces) => new PieceCursor(pieces));
  const length = outputs[0]?.length ?? 0;
  for (let at = 0; at < length; at += COLUMN_BYTES) {
    const size = Math.min(COLUMN_BYTES, length - at);
    sums.fill(0);
    for (const [input, cursor] of cursors.entries()) {
      cursor.take(column, 0, size);
      addProducts(sums, tables[input]!, column, size);
    }
    for (const [row, output] of outputs.entries()) {
      for (let byte = 0; byte < size; byte++) output[at + byte] = sums[byte]! >>> (8 * row);
    }
  }
}

function addProducts(sums: Int32Array, products: Int32Array, column: Uint8Array, size: number): void {
  for (let byte = 0; byte < size; byte++) sums[byte]! ^= products[column[byte]!]!;
}
