/** Ports of a local cluster: counted up from the first, free ones on request, all checked before anything is started. */
import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { QuorateError } from "../runtime/errors.ts";

export interface PortUse {
  readonly host: string;
  readonly port: number;
  /** For the error line: "RESP port of n1". */
  readonly what: string;
  /** What to do about it: "choose another with --port". */
  readonly advice: string;
}

/** Who knows which ports of this machine are free: another process may take one at any time. */
export interface Ports {
  readonly freePorts: typeof freePorts;
  readonly checkPorts: typeof checkPorts;
}

/** Throws PORT_IN_USE or USAGE with one clear line when any of the ports cannot be listened on. */
export async function checkPorts(uses: readonly PortUse[]): Promise<void> {
  const taken = new Map<number, PortUse>();
  for (const use of uses) {
    const other = taken.get(use.port);
    if (other)
      throw new QuorateError(
        "USAGE",
        `${use.what} and ${other.what} would both be ${use.port}; ${use.advice}`,
      );
    if (use.port > 65535)
      throw new QuorateError("USAGE", `${use.what} would be ${use.port}, above 65535; ${use.advice}`);
    taken.set(use.port, use);
  }
  for (const use of uses) {
    const server = await listen(use.host, use.port).catch((error: NodeJS.ErrnoException) => {
      throw refusal(use, error);
    });
    await close(server);
  }
}

function refusal(use: PortUse, error: NodeJS.ErrnoException): QuorateError {
  const place = `${use.host}:${use.port}`;
  if (error.code === "EADDRINUSE") {
    return new QuorateError("PORT_IN_USE", `${use.what} ${place} is in use; ${use.advice}`, { cause: error });
  }
  if (error.code === "EACCES") {
    return new QuorateError("USAGE", `${use.what} ${place} is not allowed to this user; ${use.advice}`);
  }
  return new QuorateError("USAGE", `${use.what} ${place} cannot be listened on: ${error.message}`, {
    cause: error,
  });
}

/** So many ports that are free now, all different. */
export async function freePorts(host: string, count: number): Promise<readonly number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listen(host, 0))).catch(
    (error: Error) => {
      throw new QuorateError("USAGE", `--host ${host} cannot be listened on: ${error.message}`, {
        cause: error,
      });
    },
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map(close));
  return ports;
}

export const SYSTEM_PORTS: Ports = { freePorts, checkPorts };

function listen(host: string, port: number): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, exclusive: true }, () => resolve(server));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
