/** A bare client for tests: sends raw bytes or commands, and gives the replies as they come. */
import type { Socket } from "node:net";
import { connect } from "node:net";
import { viewBytes } from "../../../runtime/bytes.ts";
import type { WireReply } from "../../../wire/resp/reply-parser.ts";
import { ReplyParser } from "../../../wire/resp/reply-parser.ts";
import { requestText } from "../../../wire/resp/request-encoder.ts";

const DEADLINE_MS = 10_000;

export class RespClient {
  readonly socket: Socket;
  readonly replies: WireReply[] = [];
  closed = false;
  private readonly parser = new ReplyParser();
  private waiting: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.parser.push(viewBytes(new Uint8Array(chunk)));
      for (let found = this.parser.next(); found !== undefined; found = this.parser.next()) {
        this.replies.push(found.reply);
      }
      this.wake();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.closed = true;
      this.wake();
    });
  }

  static async open(port: number): Promise<RespClient> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const client = new RespClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", () => resolve());
      socket.once("error", reject);
    });
    return client;
  }

  /** Sends commands, each a line of words or a list, as one write; answers with as many replies. */
  async pipeline(...commands: readonly (string | readonly string[])[]): Promise<WireReply[]> {
    const words = commands.map((command) => (typeof command === "string" ? command.split(" ") : command));
    this.socket.write(words.map(requestText).join(""), "latin1");
    return this.take(commands.length);
  }

  async call(...args: readonly string[]): Promise<WireReply> {
    const command = args.length === 1 ? (args[0] as string) : args;
    return (await this.pipeline(command))[0] as WireReply;
  }

  send(bytes: string): void {
    this.socket.write(bytes, "latin1");
  }

  /** The next `count` replies; fewer when the server closes before. */
  async take(count: number): Promise<WireReply[]> {
    await this.until(() => this.replies.length >= count || this.closed, `${count} replies`);
    return this.replies.splice(0, count);
  }

  async ended(): Promise<void> {
    await this.until(() => this.closed, "the end");
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    while (!condition()) {
      if (performance.now() > deadline) {
        throw new Error(
          `waited in vain for ${what}; got ${this.replies.length}: ${JSON.stringify(this.replies.slice(0, 3)).slice(0, 500)}`,
        );
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 20);
        this.waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  close(): void {
    this.socket.destroy();
  }

  private wake(): void {
    const woken = this.waiting;
    this.waiting = [];
    for (const each of woken) each();
  }
}

/** How tests write replies: errors and statuses as their text. */
export function plain(reply: WireReply): unknown {
  if (Array.isArray(reply)) return (reply as readonly WireReply[]).map(plain);
  if (reply === null || typeof reply !== "object") return reply;
  const tagged = reply as Exclude<
    WireReply,
    readonly WireReply[] | string | number | bigint | boolean | null
  >;
  if (tagged.type === "status") return `+${tagged.text}`;
  if (tagged.type === "error") return `-${tagged.message}`;
  if (tagged.type === "null-array") return "*-1";
  if (tagged.type === "map" || tagged.type === "set" || tagged.type === "push") {
    return { [tagged.type]: tagged.items.map(plain) };
  }
  return tagged;
}
