/** "host:port" and back; IPv6 hosts stand in brackets. */
import { QuorateError } from "../errors.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Throws USAGE when the text is not host:port with a port in 0…65535. */
export function splitAddress(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65535) throw new QuorateError("USAGE", `"${text}" is not host:port`);
  return { host, port };
}

export function joinAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
