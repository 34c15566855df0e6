/**
 * Metrics in the text format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * A counter or histogram is updated where things happen; a gauge is read when somebody asks, so that idle nodes pay nothing.
 */
import { assert } from "../../runtime/errors.ts";

export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  /** Adds `by` (default 1), which must not be negative. */
  add(by?: number): void;
}

export interface Histogram {
  observe(value: number): void;
}

/** One value, or one value per set of labels; undefined values are left out. */
export type Sample = number | undefined | readonly (readonly [Labels, number | undefined])[];

export interface Metrics {
  counter(name: string, help: string, labels?: Labels): Counter;
  gauge(name: string, help: string, read: () => Sample): void;
  /** As a gauge, for a total that somebody else counts. */
  total(name: string, help: string, read: () => Sample): void;
  /** `bounds`: the upper bounds of the buckets, rising; +Inf is added. */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram;
  /** The whole exposition. */
  render(): string;
}

/** Bounds in seconds for what takes from a twentieth of a millisecond to seconds: disk writes, round trips. */
export const LATENCY_BOUNDS_S: readonly number[] = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
];

interface Family {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly lines: (() => string)[];
}

export function createMetrics(): Metrics {
  const families = new Map<string, Family>();

  const register = (name: string, type: Family["type"], help: string, lines: () => string): void => {
    assert(/^[a-z][a-z0-9_]*$/.test(name), `not a metric name: ${name}`);
    const family = families.get(name) ?? { type, help, lines: [] };
    assert(family.type === type, `metric ${name} is registered as a ${family.type}`);
    family.lines.push(lines);
    families.set(name, family);
  };

  return {
    counter(name, help, labels = {}) {
      let value = 0;
      register(name, "counter", help, () => line(name, labels, value));
      return {
        add(by = 1) {
          assert(by >= 0, `counter ${name} cannot fall`);
          value += by;
        },
      };
    },
    gauge: (name, help, read) => register(name, "gauge", help, () => sampleLines(name, read())),
    total: (name, help, read) => register(name, "counter", help, () => sampleLines(name, read())),
    histogram(name, help, bounds) {
      const histogram = createHistogram(name, bounds);
      register(name, "histogram", help, () => histogram.render());
      return histogram;
    },
    render() {
      let text = "";
      for (const [name, family] of families) {
        text += `# HELP ${name} ${escapeHelp(family.help)}\n# TYPE ${name} ${family.type}\n`;
        for (const lines of family.lines) text += lines();
      }
      return text;
    },
  };
}

function createHistogram(name: string, bounds: readonly number[]): Histogram & { render(): string } {
  const counts = Array.from({ length: bounds.length + 1 }, () => 0);
  let sum = 0;
  return {
    observe(value) {
      let at = 0;
      while (at < bounds.length && value > (bounds[at] ?? Infinity)) at++;
      counts[at] = (counts[at] ?? 0) + 1;
      sum += value;
    },
    render() {
      let total = 0;
      let text = "";
      counts.forEach((count, at) => {
        total += count;
        text += line(`${name}_bucket`, { le: formatValue(bounds[at] ?? Infinity) }, total);
      });
      return text + line(`${name}_sum`, {}, sum) + line(`${name}_count`, {}, total);
    },
  };
}

function sampleLines(name: string, sample: Sample): string {
  if (sample === undefined) return "";
  if (typeof sample === "number") return line(name, {}, sample);
  let text = "";
  for (const [labels, value] of sample) if (value !== undefined) text += line(name, labels, value);
  return text;
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
  return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${formatValue(value)}\n`;
}

function formatValue(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
