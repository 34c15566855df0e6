/**
 * What coding costs: megabytes of data a second through the codec, without disks and network. For each policy the parity of whole
 * stripes, one lost data shard made out of the others, and as many lost as may be; with each kernel.
 *
 *   npm run build && node dist/bench/inside/erasure.js [--seconds 1]
 */
import { parseArgs } from "node:util";
import type { Combine } from "../../engine/files/erasure/column-kernel.ts";
import { simdKernel, tableKernel } from "../../engine/files/erasure/column-kernel.ts";
import { ReedSolomon } from "../../engine/files/erasure/reed-solomon.ts";
import { ERASURE_POLICIES, unitsOf } from "../../engine/files/namespace/erasure-policy.ts";

const { values } = parseArgs({ options: { seconds: { type: "string", default: "1" } } });
const SECONDS = Number(values.seconds);
const ROUNDS = 5;

/** The best of some rounds, in 10^6 bytes a second of a core's time: so other work on the machine counts less. */
function rate(bytes: number, run: () => void): string {
  let best = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const began = process.cpuUsage();
    let runs = 0;
    let tookMs = 0;
    do {
      run();
      runs++;
      const { user, system } = process.cpuUsage(began);
      tookMs = (user + system) / 1000;
    } while (tookMs < (SECONDS * 1000) / ROUNDS);
    best = Math.max(best, (runs * bytes) / tookMs / 1000);
  }
  return `${best.toFixed(0)} MB/s`;
}

function measure(kernel: string, combine: Combine): void {
  for (const policy of ERASURE_POLICIES) {
    const { name, dataUnits, parityUnits, cellBytes } = policy;
    const code = new ReedSolomon(dataUnits, parityUnits, combine);
    const cell = (): Uint8Array =>
      Uint8Array.from({ length: cellBytes }, (_, at) => (at * 31 + at / 256) & 0xff);
    const data = Array.from({ length: dataUnits }, () => [cell()]);
    const parity = Array.from({ length: parityUnits }, () => new Uint8Array(cellBytes));
    const stripe = dataUnits * cellBytes;
    const encoding = rate(stripe, () => code.encode(data, parity));
    const all = [...data, ...parity.map((unit) => [unit])];
    const decoding = [1, parityUnits].map((lost) => {
      const wanted = Array.from({ length: lost }, (_, unit) => unit);
      const left = Array.from({ length: unitsOf(policy) }, (_, unit) => unit).slice(lost, lost + dataUnits);
      const units = new Map(left.map((unit) => [unit, all[unit] ?? []]));
      const outputs = wanted.map(() => new Uint8Array(cellBytes));
      return `${lost} lost ${rate(stripe, () => code.decode(units, wanted, outputs))}`;
    });
    console.log(`${kernel.padEnd(12)} ${name.padEnd(14)} parity ${encoding}, ${decoding.join(", ")}`);
  }
}

const simd = simdKernel();
if (simd === undefined) console.log("WebAssembly's vector instructions are missing here");
else measure("WebAssembly", simd);
measure("tables", tableKernel);
