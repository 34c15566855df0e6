/** Properties from Hadoop's configuration files: `<property><name>…</name><value>…</value></property>`. */
import { QuorateError } from "../../runtime/errors.ts";

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/** Throws USAGE when the text is no such file. */
export function xmlProperties(text: string, path: string): Record<string, string> {
  const plain = text.replaceAll(/<!--[\s\S]*?-->/g, "");
  if (!/<configuration[\s>/]/.test(plain))
    throw new QuorateError("USAGE", `${path} is no configuration of Hadoop: it has no <configuration>`);
  const properties: Record<string, string> = {};
  for (const [, body = ""] of plain.matchAll(/<property>([\s\S]*?)<\/property>/g)) {
    const name = element(body, "name")?.trim();
    if (name === undefined || name === "")
      throw new QuorateError("USAGE", `${path}: a property without a name: ${body.trim().slice(0, 100)}`);
    properties[name] = element(body, "value") ?? "";
  }
  return properties;
}

function element(body: string, name: string): string | undefined {
  const found = new RegExp(`<${name}>([\\s\\S]*?)</${name}>`).exec(body)?.[1];
  return found?.replaceAll(
    /&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi,
    (whole, decimal?: string, hex?: string, named?: string) => {
      if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
      if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
      return ENTITIES[named ?? ""] ?? whole;
    },
  );
}
