/** All codecs. */
export { bigint, boolean, date, integer, number } from "./numbers.ts";
export { descending, optional, tuple } from "./composite.ts";
export { bytes, json, text } from "./text.ts";
