import fc from "fast-check";
import { expect, test } from "vitest";
import { csv, fieldsOf } from "./csv.ts";
import type { InputFormat } from "./format.ts";
import { fixedLength, jsonLines, keyValueLines, textLines, wholeFiles } from "./formats.ts";

function parse<R>(format: InputFormat<R>, line: string, header?: string): R | undefined {
  const bytes = Buffer.from(`..${line}..`);
  const place = { path: "/f", position: 0, header, isAscii: /^[\0-\x7f]*$/.test(line) };
  return format.parse(bytes, 2, bytes.length - 2, place);
}

function quoted(field: string): string {
  return /[",\n;]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

test("fields come back as they were quoted", () => {
  const field = fc.string({ unit: fc.constantFrom("a", "é", '"', ",", " ", ";", "\n"), maxLength: 6 });
  fc.assert(
    fc.property(
      fc.array(field, { minLength: 1, maxLength: 5 }),
      fc.constantFrom(",", ";"),
      (fields, separator) => {
        expect(fieldsOf(fields.map(quoted).join(separator), separator, true)).toEqual(fields);
      },
    ),
  );
});

test("rows have the names of the header, whatever file they are of", () => {
  const format = csv();
  expect(parse(format, '1,"a, b"', "\uFEFFid,name")).toEqual({ id: "1", name: "a, b" });
  expect(parse(format, "x,2", 'name,"i""d"')).toEqual({ name: "x", 'i"d': "2" });
  expect(parse(format, "", "id,name")).toBeUndefined();
});

test("rows that RFC 4180 does not know are errors that say what to do", () => {
  const format = csv();
  expect(() => parse(format, "1", "id,name")).toThrow("a row of 1 fields under a header of 2");
  expect(() => parse(format, '1,"a', "id,name")).toThrow(
    "a quote does not end in its record, which takes csv({ multiline: true })",
  );
  expect(() => parse(format, '1,a"b', "id,name")).toThrow("a quote inside an unquoted field");
  expect(() => parse(format, '1,"a"b', "id,name")).toThrow("a quote inside a quoted field");
  expect(() => csv({ separator: ",," })).toThrow(/one character/);
});

test("lines are texts, JSON, keys and values", () => {
  expect(parse(textLines(), "é\tx")).toBe("é\tx");
  expect(parse(jsonLines(), '{"a":[1]}')).toEqual({ a: [1] });
  expect(parse(jsonLines(), "  ")).toBeUndefined();
  expect(() => parse(jsonLines(), "{a")).toThrow(SyntaxError);
  const check = (value: unknown): number => {
    if (typeof value !== "number") throw new TypeError("no number");
    return value;
  };
  expect(() => parse(jsonLines({ check }), '"1"')).toThrow("no number");
  expect(parse(keyValueLines(), "a\tb\tc")).toEqual({ key: "a", value: "b\tc" });
  expect(parse(keyValueLines({ separator: ": " }), "a: b")).toEqual({ key: "a", value: "b" });
  expect(parse(keyValueLines(), "alone")).toEqual({ key: "alone", value: "" });
  expect(parse(wholeFiles(), "é\n")).toEqual({ path: "/f", text: "é\n" });
  expect(parse(fixedLength(3), "abc")).toEqual(Buffer.from("abc"));
  expect(() => fixedLength(0)).toThrow(/records of 0 bytes/);
  expect(() => keyValueLines({ separator: "" })).toThrow(/separator/);
});
