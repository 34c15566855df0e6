/** The body of an order: a small JSON object with known members. */
import type { IncomingMessage } from "node:http";
import { QuorateError } from "../../../runtime/errors.ts";

export const BODY_MAX_BYTES = 4096;

type Kind = "boolean" | "string" | "number?";
type ValueOf<K extends Kind> = K extends "boolean"
  ? boolean
  : K extends "string"
    ? string
    : number | undefined;
type OrderOf<Shape> = {
  readonly [Name in keyof Shape]: Shape[Name] extends Kind ? ValueOf<Shape[Name]> : never;
};

/** Throws PROTOCOL when the body is something else, TOO_LARGE. A member that ends with "?" may be absent. */
export async function readOrder<const Shape extends Readonly<Record<string, Kind>>>(
  request: IncomingMessage,
  shape: Shape,
): Promise<OrderOf<Shape>> {
  const order = await readObject(request, BODY_MAX_BYTES);
  const odd = Object.keys(order).find((name) => !Object.hasOwn(shape, name));
  if (odd !== undefined) throw new QuorateError("PROTOCOL", `the body has no member "${odd.slice(0, 50)}"`);
  for (const [name, kind] of Object.entries(shape)) {
    const value = order[name];
    const isAbsent = value === undefined && kind.endsWith("?");
    const type = kind.replace("?", "");
    if (!isAbsent && typeof value !== type)
      throw new QuorateError("PROTOCOL", `"${name}" in the body is a ${type}`);
  }
  return order as OrderOf<Shape>;
}

/** The body as it is. Throws PROTOCOL when it is no JSON object, TOO_LARGE. */
export async function readObject(
  request: IncomingMessage,
  maxBytes: number,
): Promise<Readonly<Record<string, unknown>>> {
  // A page in a browser cannot send this type to another origin without asking, and is never answered.
  if (request.headers["content-type"]?.split(";", 1)[0]?.trim() !== "application/json")
    throw new QuorateError("PROTOCOL", "the body must be application/json");
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBytes) throw new QuorateError("TOO_LARGE", `the body is larger than ${maxBytes} bytes`);
    parts.push(part);
  }
  return parse(Buffer.concat(parts).toString("utf8"));
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new QuorateError("PROTOCOL", "the body must be a JSON object");
}
