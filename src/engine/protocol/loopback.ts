/** Whether a peer of a connection is on this machine: what Redis's protected mode and the members' door ask. */

/** True for an address of the loopback interface, IPv4, IPv6 or IPv4 in IPv6; an unknown one is none. */
export function isLoopback(address: string | undefined): boolean {
  return /^(127\.|::1$|::ffff:127\.)/.test(address ?? "");
}
