/** A real redis-server beside the code under test: started on a free port, spoken to in plain RESP, stopped at the end. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { freePorts } from "../free-ports.ts";

/** A reply in a form that can be compared: what it is, and what it holds. */
export type Plain = string | number | null | boolean | readonly Plain[] | { readonly [kind: string]: Plain };

export interface Reference {
  /** One command's reply. */
  send(args: readonly string[]): Promise<Plain>;
  stop(): Promise<void>;
}

const REPLY_TIMEOUT_MS = 5000;

export async function startReference(protocol: 2 | 3): Promise<Reference> {
  const [port = 0] = await freePorts(1);
  const server = spawn(
    "redis-server",
    ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"],
    { stdio: "ignore" },
  );
  const socket = await connectWhenUp(port, server);
  const reader = new ReplyReader(socket);
  const send = async (args: readonly string[]): Promise<Plain> => {
    const parts = args.map((arg) => `$${arg.length}\r\n${arg}\r\n`);
    socket.write(Buffer.from(`*${args.length}\r\n${parts.join("")}`, "latin1"));
    const deadline = new AbortController();
    try {
      return await Promise.race([
        reader.next(),
        delay(REPLY_TIMEOUT_MS, undefined, { signal: deadline.signal }).then(() => {
          throw new Error(`redis-server did not answer ${args.join(" ")}`);
        }),
      ]);
    } finally {
      deadline.abort();
    }
  };
  if (protocol === 3) await send(["HELLO", "3"]);
  return {
    send,
    stop: async () => {
      socket.destroy();
      const ended = new Promise((resolve) => server.once("exit", resolve));
      server.kill("SIGKILL");
      await ended;
    },
  };
}

async function connectWhenUp(port: number, server: ChildProcess): Promise<Socket> {
  for (let tries = 0; tries < 200 && server.exitCode === null; tries++) {
    const socket = connect(port, "127.0.0.1");
    const up = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    });
    if (up) return socket;
    await delay(20);
  }
  throw new Error(`redis-server did not come up on port ${port}`);
}

/** Cuts a socket's bytes into replies. */
class ReplyReader {
  private text = "";
  private at = 0;
  private waiting: (() => void) | undefined;
  private closed = false;

  constructor(socket: Socket) {
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      this.text = this.text.slice(this.at) + (chunk as Buffer).toString("latin1");
      this.at = 0;
      this.waiting?.();
    });
    socket.on("close", () => {
      this.closed = true;
      this.waiting?.();
    });
    socket.on("error", () => {});
  }

  async next(): Promise<Plain> {
    const line = await this.line();
    const rest = line.slice(1);
    switch (line[0]) {
      case "+":
        return { status: rest };
      case "-":
        return { error: rest };
      case ":":
        return { integer: rest };
      case "$":
        return rest === "-1" ? null : this.bulk(Number(rest));
      case "*":
        return rest === "-1" ? { nullArray: true } : this.items(Number(rest));
      case "_":
        return null;
      case "#":
        return rest === "t";
      case ",":
        return { double: rest };
      case "(":
        return { bigNumber: rest };
      case "=":
        return { verbatim: await this.bulk(Number(rest)) };
      case "%":
        return { map: await this.items(2 * Number(rest)) };
      case "~":
        return { set: await this.items(Number(rest)) };
      default:
        throw new Error(`unknown reply ${JSON.stringify(line)}`);
    }
  }

  private async items(count: number): Promise<Plain[]> {
    const items: Plain[] = [];
    for (let i = 0; i < count; i++) items.push(await this.next());
    return items;
  }

  private async line(): Promise<string> {
    for (;;) {
      const end = this.text.indexOf("\r\n", this.at);
      if (end !== -1) {
        const line = this.text.slice(this.at, end);
        this.at = end + 2;
        return line;
      }
      await this.more();
    }
  }

  private async bulk(length: number): Promise<string> {
    while (this.text.length - this.at < length + 2) await this.more();
    const text = this.text.slice(this.at, this.at + length);
    this.at += length + 2;
    return text;
  }

  private more(): Promise<void> {
    if (this.closed) throw new Error("redis-server closed the connection");
    return new Promise((resolve) => {
      this.waiting = resolve;
    });
  }
}
