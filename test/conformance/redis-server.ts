/** A real redis-server on a free loopback port, to compare with, and the least client that such a comparison needs. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { viewBytes } from "../../src/runtime/bytes.ts";
import { ReplyParser, type WireReply } from "../../src/wire/resp/reply-parser.ts";
import { encodeRequest } from "../../src/wire/resp/request-encoder.ts";
import { freePorts } from "../free-ports.ts";

export interface RedisServer {
  readonly port: number;
  stop(): Promise<void>;
}

export async function startRedisServer(): Promise<RedisServer> {
  const [port = 0] = await freePorts(1);
  const folder = mkdtempSync(join(tmpdir(), "quorate-redis-"));
  const flags = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const server = spawn("redis-server", [...flags, "--dir", folder], { stdio: "ignore" });
  await untilReady(port);
  return { port, stop: () => stop(server, folder) };
}

async function stop(server: ChildProcess, folder: string): Promise<void> {
  const ended = new Promise((resolve) => server.once("exit", resolve));
  server.kill("SIGKILL");
  await ended;
  rmSync(folder, { recursive: true, force: true });
}

async function untilReady(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    try {
      const connection = await RedisConnection.open(port);
      const pong = await connection.call(["PING"]);
      connection.close();
      if (typeof pong === "object") return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
  throw new Error("redis-server did not start within five seconds");
}

/** One connection; calls may be made without waiting, replies come in order. */
export class RedisConnection {
  private readonly socket: Socket;
  private readonly parser = new ReplyParser();
  private readonly waiting: { resolve: (reply: WireReply) => void; reject: (error: Error) => void }[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      this.parser.push(viewBytes(Uint8Array.from(chunk)));
      for (let whole = this.parser.next(); whole !== undefined; whole = this.parser.next()) {
        this.waiting.shift()?.resolve(whole.reply);
      }
    });
    const fail = (): void => {
      for (const { reject } of this.waiting.splice(0))
        reject(new Error("the connection to redis-server ended"));
    };
    socket.on("error", fail);
    socket.on("close", fail);
  }

  static async open(port: number): Promise<RedisConnection> {
    const socket = connect(port, "127.0.0.1");
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new RedisConnection(socket);
  }

  async call(args: readonly string[]): Promise<WireReply> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.socket.write(encodeRequest(args));
    });
  }

  close(): void {
    this.socket.destroy();
  }
}
