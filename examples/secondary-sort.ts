/**
 * Values in an order of their own, without holding them in memory: for each station the readings in the order of time, and the
 * largest rise from one to the next. Input: lines of `station,time,temperature`.
 *
 *   quorate mr run examples/secondary-sort.ts --input readings.csv --output rises --local
 */
import { codec, input, job, output } from "quorate/mapreduce";

export default job({
  input: input.csv<"station" | "time" | "temperature">(),
  // Records are sorted by station and time, and grouped by the first part alone.
  key: codec.tuple(codec.text, codec.date),
  value: codec.number,
  map(row, out, task) {
    const temperature = Number(row.temperature);
    if (row.temperature === "" || Number.isNaN(temperature)) task.count("readings", "without a temperature");
    else out.emit([row.station, new Date(row.time)], temperature);
  },
  group: 1,
  reduce([station], temperatures, out) {
    let before: number | undefined;
    let rise = 0;
    let many = 0;
    for (const temperature of temperatures) {
      if (before !== undefined) rise = Math.max(rise, temperature - before);
      before = temperature;
      many++;
    }
    out.emit(station, `${many} readings, rise ${rise.toFixed(1)}`);
  },
  output: output.keyValue(),
});
