/** Sizes, times, permissions and tables as Hadoop's shell prints them. */

/** "1.5 K", "128 M": binary units, exact ones without a fraction. */
export function humanSize(bytes: number): string {
  const units = ["", "K", "M", "G", "T", "P"];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  if (unit === 0) return String(bytes);
  let text = Number.isInteger(value) ? String(value) : value.toFixed(1);
  if (text.startsWith("1024") && unit < units.length - 1) {
    unit++;
    text = (value / 1024).toFixed(1);
  }
  return `${text} ${units[unit] ?? ""}`;
}

export function sizeText(bytes: number, human: boolean): string {
  return human ? humanSize(bytes) : String(bytes);
}

/** "rwxr-xr-t" */
export function modeText(mode: number): string {
  const text = [mode >> 6, mode >> 3, mode]
    .map((bits) => `${bits & 4 ? "r" : "-"}${bits & 2 ? "w" : "-"}${bits & 1 ? "x" : "-"}`)
    .join("");
  if ((mode & 0o1000) === 0) return text;
  return `${text.slice(0, 8)}${mode & 1 ? "t" : "T"}`;
}

/** "2026-01-31 23:59" in the time zone of this process. */
export function localTime(ms: number): string {
  const date = new Date(ms);
  const two = (number: number): string => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** "2026-01-31 23:59:59" in UTC. */
export function utcTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** "Wed Nov 25 19:44:22 UTC 2026" in the time zone of this process, as Java prints a date. */
export function javaTime(ms: number): string {
  const date = new Date(ms);
  const two = (number: number): string => String(number).padStart(2, "0");
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  const parts = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" }).formatToParts(date);
  const zone = parts.find(({ type }) => type === "timeZoneName")?.value ?? "UTC";
  const day = `${WEEKDAYS[date.getDay()] ?? ""} ${MONTHS[date.getMonth()] ?? ""} ${two(date.getDate())}`;
  return `${day} ${time} ${zone} ${date.getFullYear()}`;
}

/** "4.90 MB", "0 B": binary units, two digits, as the reports of HDFS have them. */
export function reportSize(bytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB", "PB", "EB"];
  let unit = 0;
  let value = bytes;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? String(value) : value.toFixed(2)} ${units[unit] ?? ""}`;
}

/** Columns two blanks apart; the numbers of those that stand to the right. */
export function columns(
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): readonly string[] {
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, at) => {
        if (right.includes(at)) return cell.padStart(widths[at] ?? 0);
        return at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0);
      })
      .join("  "),
  );
}
