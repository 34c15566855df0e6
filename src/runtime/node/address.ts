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

/** Every address of the machine: one to listen on, which names nobody to others. */
export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** Where others reach a server that listens on `host`: of a wildcard, at the host of the node's peer address, if that is none. */
export function reachableHost(host: string, peerAddress: string | undefined): string {
  if (!isWildcard(host) || peerAddress === undefined) return host;
  const peer = splitAddress(peerAddress).host;
  return isWildcard(peer) ? host : peer;
}
