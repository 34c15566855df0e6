/** Comma-separated values with a header (RFC 4180). */
import { QuorateError } from "../../runtime/errors.ts";
import type { InputFormat } from "./format.ts";
import type { LineOptions } from "./lines.ts";
import { decodeLine, lineFraming } from "./lines.ts";

/** Values by the names in the header. */
export type CsvRow<Column extends string = string> = Readonly<Record<Column, string>>;

/**
 * Each line is a row of as many fields as the file's first line has; a field in double quotes may hold commas, and quotes that
 * are doubled. Empty lines are left out.
 *
 * A quote that does not end on its line is an error, because a file is read from several places at once: files with line ends
 * in their fields take `multiline`, and are then read whole, each by one task.
 */
export function csv<Column extends string = string>(
  options: LineOptions & {
    /** Default a comma. */
    readonly separator?: string;
    /** Fields may hold line ends; files are not split. Default false. */
    readonly multiline?: boolean;
  } = {},
): InputFormat<CsvRow<Column>> {
  const { separator = ",", multiline = false, maxBytes } = options;
  if (separator.length !== 1 || separator === '"')
    throw new QuorateError("ARGUMENT_INVALID", `the separator of CSV is one character, not "${separator}"`);
  let header: string | undefined;
  let names: readonly string[] = [];
  return {
    name: "csv",
    framing: lineFraming(maxBytes, true, multiline),
    parse(bytes, start, end, place) {
      if (header !== place.header) {
        header = place.header;
        names = fieldsOf((header ?? "").replace(/^\uFEFF/, ""), separator, multiline);
      }
      if (start === end) return undefined;
      const fields = fieldsOf(decodeLine(bytes, start, end, place), separator, multiline);
      if (fields.length !== names.length)
        throw new QuorateError(
          "ARGUMENT_INVALID",
          `a row of ${fields.length} fields under a header of ${names.length}`,
        );
      const row: Record<string, string> = {};
      for (let index = 0; index < names.length; index++) row[names[index] ?? ""] = fields[index] ?? "";
      return row as CsvRow<Column>;
    },
  };
}

/** The fields of one record. Throws ARGUMENT_INVALID on quotes that RFC 4180 does not know. */
export function fieldsOf(line: string, separator: string, multiline: boolean): readonly string[] {
  if (!line.includes('"')) return line.split(separator);
  const fields: string[] = [];
  for (let at = 0; ;) {
    if (line[at] !== '"') {
      const end = line.indexOf(separator, at);
      const field = end < 0 ? line.slice(at) : line.slice(at, end);
      if (field.includes('"')) throw new QuorateError("ARGUMENT_INVALID", "a quote inside an unquoted field");
      fields.push(field);
      if (end < 0) return fields;
      at = end + 1;
      continue;
    }
    let field = "";
    for (at++; ; at++) {
      const quote = line.indexOf('"', at);
      if (quote < 0) {
        const advice = multiline ? "" : ", which takes csv({ multiline: true })";
        throw new QuorateError("ARGUMENT_INVALID", `a quote does not end in its record${advice}`);
      }
      field += line.slice(at, quote);
      at = quote + 1;
      if (line[at] !== '"') break;
      field += '"';
    }
    fields.push(field);
    if (at === line.length) return fields;
    if (line[at] !== separator) throw new QuorateError("ARGUMENT_INVALID", "a quote inside a quoted field");
    at++;
  }
}
