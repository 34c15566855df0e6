/** Sizes as people write them. */

/** "10g": units are binary, in either case. NaN when it is none. */
export function bytesOf(text: string): number {
  const [, digits, unit = ""] = /^(\d+)([kmgtpe]?)$/i.exec(text) ?? [];
  return digits === undefined
    ? Number.NaN
    : Number(digits) * 1024 ** " kmgtpe".indexOf(unit.toLowerCase() || " ");
}
