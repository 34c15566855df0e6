/**
 * Reed-Solomon coding of bytes: parity of data, and any lost units out of any `dataUnits` others. Pure but for the memory that
 * its kernel works in; parity agrees with HDFS's.
 */
import { assert } from "../../../runtime/errors.ts";
import type { Combine } from "./column-kernel.ts";
import { columnKernel } from "./column-kernel.ts";
import type { Matrix } from "./galois-field.ts";
import { generatorMatrix, inverted, product, rowsOf } from "./galois-field.ts";
import type { Pieces } from "./pieces.ts";

/** Matrices for decoding that are kept: each of a different set of lost units. */
const MATRICES_KEPT = 64;

export class ReedSolomon {
  readonly dataUnits: number;
  readonly parityUnits: number;
  private readonly combine: Combine;
  private readonly generator: Matrix;
  private readonly decoding = new Map<string, Matrix>();

  /** At most 16 data units and 256 units in all. */
  constructor(dataUnits: number, parityUnits: number, combine: Combine = columnKernel()) {
    assert(dataUnits >= 1 && dataUnits <= 16 && parityUnits >= 1, "a code of 1 to 16 data units");
    this.dataUnits = dataUnits;
    this.parityUnits = parityUnits;
    this.combine = combine;
    this.generator = generatorMatrix(dataUnits, parityUnits);
  }

  /** Fills `parity`, buffers of one length, one for each parity unit; data that is shorter counts as if zeros followed. */
  encode(data: readonly Pieces[], parity: readonly Uint8Array[]): void {
    assert(data.length === this.dataUnits && parity.length === this.parityUnits, "all units of a code");
    this.combine(this.generator.subarray(this.dataUnits * this.dataUnits), data, parity);
  }

  /**
   * Fills `outputs` with the units `wanted`, data or parity, out of any `dataUnits` others: `units` gives these by their
   * numbers. One that is shorter counts as if zeros followed.
   */
  decode(
    units: ReadonlyMap<number, Pieces>,
    wanted: readonly number[],
    outputs: readonly Uint8Array[],
  ): void {
    assert(units.size === this.dataUnits && wanted.length === outputs.length, "as many units as data has");
    const from = [...units.keys()].sort((left, right) => left - right);
    const inputs = from.map((unit) => units.get(unit)!);
    this.combine(this.decodingMatrix(from, wanted), inputs, outputs);
  }

  private decodingMatrix(from: readonly number[], wanted: readonly number[]): Matrix {
    const key = `${from.join()}>${wanted.join()}`;
    let matrix = this.decoding.get(key);
    if (matrix === undefined) {
      const { generator, dataUnits } = this;
      const toData = inverted(rowsOf(generator, from, dataUnits), dataUnits);
      matrix = product(rowsOf(generator, wanted, dataUnits), toData, dataUnits);
      if (this.decoding.size >= MATRICES_KEPT) this.decoding.clear();
      this.decoding.set(key, matrix);
    }
    return matrix;
  }
}

const CODES = new Map<string, ReedSolomon>();

/** The code of a geometry; one for all who use it. */
export function codeOf(geometry: { readonly dataUnits: number; readonly parityUnits: number }): ReedSolomon {
  const { dataUnits, parityUnits } = geometry;
  const key = `${dataUnits}-${parityUnits}`;
  let code = CODES.get(key);
  if (code === undefined) CODES.set(key, (code = new ReedSolomon(dataUnits, parityUnits)));
  return code;
}
