/** All input formats. */
export { csv } from "./csv.ts";
export { jsonLines, keyValueLines, textLines } from "./lines.ts";
export { fixedLength, wholeFiles } from "./whole.ts";
