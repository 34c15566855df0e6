/**
 * The field GF(2^8) over the polynomial 0x11d, and the matrices of a Reed-Solomon code in it: those of HDFS and Intel's ISA-L,
 * so that parity made here is the parity that they make (`RSUtil.genCauchyMatrix` of Hadoop 3.4.1, compared in
 * `reed-solomon.test.ts`).
 */
import { assert } from "../../../runtime/errors.ts";

const POLYNOMIAL = 0x11d;

/** `PRODUCTS[a * 256 + b]` is a times b. */
const PRODUCTS = makeProducts();

function makeProducts(): Uint8Array {
  // Powers of 2 run through every number but 0.
  const powers = new Uint8Array(255);
  for (let at = 0, power = 1; at < 255; at++) {
    powers[at] = power;
    power = power < 0x80 ? power << 1 : (power << 1) ^ POLYNOMIAL;
  }
  const products = new Uint8Array(256 * 256);
  for (let left = 0; left < 255; left++) {
    for (let right = 0; right < 255; right++) {
      products[powers[left]! * 256 + powers[right]!] = powers[(left + right) % 255]!;
    }
  }
  return products;
}

export function multiply(left: number, right: number): number {
  return PRODUCTS[left * 256 + right]!;
}

/** Of a number that is not 0. */
export function inverse(of: number): number {
  const found = PRODUCTS.subarray(of * 256, of * 256 + 256).indexOf(1);
  assert(found > 0, "zero has no inverse");
  return found;
}

/** Row by row; `rows * columns` numbers of the field. */
export type Matrix = Uint8Array;

/**
 * What data is multiplied by to give all units: data itself, and below it parity by Cauchy's matrix 1 / (row ^ column). Any
 * `dataUnits` of its rows can be inverted: so any `dataUnits` units give all others.
 */
export function generatorMatrix(dataUnits: number, parityUnits: number): Matrix {
  const matrix = new Uint8Array((dataUnits + parityUnits) * dataUnits);
  for (let row = 0; row < dataUnits + parityUnits; row++) {
    for (let column = 0; column < dataUnits; column++) {
      const isData = row < dataUnits;
      matrix[row * dataUnits + column] = isData ? Number(row === column) : inverse(row ^ column);
    }
  }
  return matrix;
}

export function rowsOf(matrix: Matrix, rows: readonly number[], columns: number): Matrix {
  const picked = new Uint8Array(rows.length * columns);
  rows.forEach((row, at) => picked.set(matrix.subarray(row * columns, (row + 1) * columns), at * columns));
  return picked;
}

/** `left` has as many columns as `right`, which is square, has rows. */
export function product(left: Matrix, right: Matrix, size: number): Matrix {
  const result = new Uint8Array(left.length);
  for (let at = 0; at < left.length; at++) {
    const row = at - (at % size);
    for (let inner = 0; inner < size; inner++) {
      result[at]! ^= multiply(left[row + inner]!, right[inner * size + (at % size)]!);
    }
  }
  return result;
}

/** By Gauss and Jordan, of a square matrix that can be inverted. */
export function inverted(matrix: Matrix, size: number): Matrix {
  const left = matrix.slice();
  const right = generatorMatrix(size, 0);
  for (let column = 0; column < size; column++) {
    let pivot = column;
    while (pivot < size && left[pivot * size + column] === 0) pivot++;
    assert(pivot < size, "a matrix that cannot be inverted");
    // A row in which the column is not 0 is added: as good as putting it there.
    if (pivot !== column) for (const half of [left, right]) addRow(half, size, column, pivot, 1);
    const scale = inverse(left[column * size + column]!);
    for (const half of [left, right]) scaleRow(half, size, column, scale);
    for (let row = 0; row < size; row++) {
      const factor = left[row * size + column]!;
      if (row !== column) for (const half of [left, right]) addRow(half, size, row, column, factor);
    }
  }
  return right;
}

function scaleRow(matrix: Matrix, size: number, row: number, factor: number): void {
  for (let at = row * size; at < (row + 1) * size; at++) matrix[at] = multiply(factor, matrix[at]!);
}

/** Adds `factor` times the row `from` to the row `to`. */
function addRow(matrix: Matrix, size: number, to: number, from: number, factor: number): void {
  for (let at = 0; at < size; at++) {
    matrix[to * size + at]! ^= multiply(factor, matrix[from * size + at]!);
  }
}
