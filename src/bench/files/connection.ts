/**
 * One client of HTTP that waits for each answer. It shares the machine's cores with the servers that are measured, and Node's
 * own client takes about as much processor for a small request as the fastest of them: this one reads the status, the
 * Location and where the answer ends, the same for every server, and nothing else.
 */
import { connect } from "node:net";
import type { Socket } from "node:net";

export interface Answer {
  readonly status: number;
  readonly location: string | undefined;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** A server that says nothing for so long is broken. */
const DEADLINE_MS = 60_000;
const HEAD_END = "\r\n\r\n";
/** "100 Continue": an answer comes behind it. */
const INTERIM = /^HTTP\/1\.1 1\d\d[^]*?\r\n\r\n/;
const LAST_CHUNK = "\r\n0\r\n\r\n";

/** The few that are looked at: searched for in the whole head, which is short. */
const FIELDS = {
  connection: /\r\nconnection: *([^\r]*)/i,
  "content-length": /\r\ncontent-length: *(\d+)/i,
  location: /\r\nlocation: *([^\r]*)/i,
  "transfer-encoding": /\r\ntransfer-encoding: *([^\r]*)/i,
};

/** Connects when it is first used, and again when the server has closed. */
export class Connection {
  private readonly host: string;
  private readonly port: number;
  private socket: Socket | undefined;
  private received = "";
  private waiting: Waiting | undefined;

  /** "host:port". */
  constructor(authority: string) {
    const { hostname, port } = new URL(`http://${authority}`);
    this.host = hostname;
    this.port = Number(port);
  }

  /** Resolves when the answer is there as a whole; one at a time. `target` begins with "/". */
  ask(method: string, target: string): Promise<Answer> {
    const length = method === "GET" ? "" : "Content-Length: 0\r\n";
    const text = `${method} ${target} HTTP/1.1\r\nHost: ${this.host}:${this.port}\r\n${length}\r\n`;
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.open().write(text, "latin1");
    });
  }

  close(): void {
    this.socket?.destroy();
    this.socket = undefined;
  }

  private open(): Socket {
    if (this.socket !== undefined) return this.socket;
    const socket = connect({ host: this.host, port: this.port, noDelay: true });
    this.socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => this.receive(text));
    socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error(`no answer for ${DEADLINE_MS} ms`)));
    socket.on("error", (error) => this.fail(socket, error));
    socket.on("close", () => this.fail(socket, new Error("the server closed the connection")));
    return socket;
  }

  private receive(text: string): void {
    this.received = this.received === "" ? text : this.received + text;
    // Data nodes of HDFS say it unasked.
    while (INTERIM.test(this.received)) this.received = this.received.replace(INTERIM, "");
    const headEnd = this.received.indexOf(HEAD_END);
    if (headEnd < 0 || this.waiting === undefined) return;
    const head = this.received.slice(0, headEnd);
    if (!this.isWhole(head, headEnd + HEAD_END.length)) return;
    const { resolve } = this.waiting;
    this.waiting = undefined;
    this.received = "";
    if (fieldOf(head, "connection")?.toLowerCase() === "close") this.close();
    resolve({ status: Number(head.slice(9, 12)), location: fieldOf(head, "location") });
  }

  private isWhole(head: string, bodyAt: number): boolean {
    const length = fieldOf(head, "content-length");
    if (length !== undefined) return this.received.length >= bodyAt + Number(length);
    // An empty body in chunks ends with the head's own line end before its last chunk.
    if (fieldOf(head, "transfer-encoding") !== undefined) return this.received.endsWith(LAST_CHUNK);
    this.socket?.destroy(new Error(`an answer of no stated length: ${head.slice(0, 300)}`));
    return false;
  }

  private fail(socket: Socket, error: Error): void {
    if (this.socket !== socket) return;
    this.socket = undefined;
    this.received = "";
    this.waiting?.reject(error);
    this.waiting = undefined;
  }
}

function fieldOf(head: string, name: keyof typeof FIELDS): string | undefined {
  return FIELDS[name].exec(head)?.[1];
}
