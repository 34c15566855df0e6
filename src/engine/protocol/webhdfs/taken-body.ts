/**
 * A large body, read from its connection into the memory in which it goes on to the blocks. What Node.js's HTTP server does with a
 * body costs more than all that is done with it afterwards.
 *
 * A body whose length is said is taken at once when it is large, one in chunks when so much of it has come. Its connection closes
 * behind the answer, as that of a data node of HDFS does.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Bytes } from "../../../runtime/bytes.ts";
import { allocateOwnedBytes, NO_BYTES } from "../../../runtime/bytes.ts";
import { isQuorateError, QuorateError } from "../../../runtime/errors.ts";
import { BUFFER_BYTES, release, takeBuffer } from "../../files/blocks/buffer-pool.ts";
import type { TakenConnection } from "../../../runtime/node/request-connection.ts";
import { takeConnection } from "../../../runtime/node/request-connection.ts";
import type { BodyFraming } from "../../../wire/http/body-framing.ts";

/** A piece has so many bytes, unless it is the first or the last one. */
const PIECE_BYTES = BUFFER_BYTES;
/** The client waits when so many pieces are not taken. */
const WAITING_MAX = 2;
/** A client that still sends when it has its answer may send so much more to read it, and be silent for so long. */
const DRAIN_MAX_BYTES = 64 * 1024 * 1024;
const DRAIN_SILENCE_MS = 5_000;

/** Where bytes go that nobody wants. */
const scrap = allocateOwnedBytes(64 * 1024);

export class TakenBody {
  private readonly framing: BodyFraming;
  private readonly idleMs: number;
  private connection: TakenConnection | undefined;
  private piece = NO_BYTES;
  private filled = 0;
  private readonly ready: Bytes[] = [];
  private failure: QuorateError | undefined;
  /** Nobody asks for pieces any more. */
  private isLeft = false;
  private isPaused = false;
  private isClosed = false;
  private dropped = 0;
  private timer: NodeJS.Timeout | undefined;
  private wake: () => void = () => undefined;

  private constructor(framing: BodyFraming, idleMs: number) {
    this.framing = framing;
    this.idleMs = idleMs;
  }

  /**
   * The rest of a body, `before` bytes of which were taken from the request. `framing` is behind all that was parsed of it.
   * Undefined: it is to be read from the request.
   */
  static of(
    request: IncomingMessage,
    response: ServerResponse,
    framing: BodyFraming,
    before: number,
    idleMs: number,
  ): TakenBody | undefined {
    const body = new TakenBody(framing, idleMs);
    const connection = takeConnection(request, response, (unparsed) => {
      body.begin(request, unparsed, before);
      return { room: () => body.room(), took: (_, count) => body.took(count) };
    });
    if (connection === undefined) return undefined;
    body.goOnWith(connection);
    return body;
  }

  /** To be answered on. */
  get response(): ServerResponse | undefined {
    return this.connection?.response;
  }

  /**
   * All of it; a piece is there until the next one is asked for, and for who retains it (`files/blocks/buffer-pool.ts`). Throws
   * PROTOCOL when it breaks off, when it is no body, or when nothing comes for too long while a piece is waited
   * for; then the connection is cut.
   */
  async *pieces(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const piece = this.ready.shift();
        if (this.isPaused) this.goOn();
        if (piece !== undefined) yield* lent(piece);
        else if (this.failure !== undefined) throw this.failure;
        else if (this.framing.isOver) return;
        else await this.more();
      }
    } finally {
      this.isLeft = true;
      for (const piece of this.ready.splice(0)) release(piece);
      if (this.isClosed) this.leavePiece();
      if (this.isPaused) this.goOn();
    }
  }

  /** What has come already, in memory of the server's. */
  private begin(request: IncomingMessage, unparsed: readonly Uint8Array[], before: number): void {
    // From the second one on, pieces begin at multiples of their length in the body.
    this.piece = newPiece().subarray(before % PIECE_BYTES);
    // To the server the request breaks off when the connection is closed.
    request.on("error", () => undefined);
    for (;;) {
      const parsed = request.read() as Buffer | null;
      if (parsed === null) break;
      this.put(parsed, (count) => this.filledTo(this.filled + count));
    }
    for (const bytes of unparsed) this.put(bytes, (count) => this.took(count));
  }

  private goOnWith(connection: TakenConnection): void {
    this.connection = connection;
    const { socket, response } = connection;
    socket.on("error", (cause) => this.fail("the body broke off", cause));
    socket.on("close", () => {
      this.fail("the body broke off");
      this.isClosed = true;
      if (this.isLeft) this.leavePiece();
    });
    socket.on("end", () => this.fail("the request ended before its time: nothing was done"));
    response.on("error", () => undefined);
    response.once("finish", () => this.part());
    if (this.isPaused) socket.pause();
  }

  private put(bytes: Uint8Array, taken: (count: number) => void): void {
    for (let at = 0; at < bytes.length;) {
      const room = this.room();
      const count = Math.min(room.length, bytes.length - at);
      room.set(bytes.subarray(at, at + count));
      taken(count);
      at += count;
    }
  }

  private get isOver(): boolean {
    return this.isLeft || this.failure !== undefined || this.framing.isOver;
  }

  /** Asked for what comes next when what came before is taken: until then, the connection reads into the last answer. */
  private room(): Uint8Array {
    if (this.isOver) {
      // It reads elsewhere from now on.
      if (this.isLeft) this.leavePiece();
      return scrap;
    }
    const { piece, filled } = this;
    return piece.subarray(filled, Math.min(piece.length, filled + this.framing.most));
  }

  private took(count: number): void {
    this.timer?.refresh();
    if (this.isOver) {
      this.dropped += count;
      if (this.dropped > DRAIN_MAX_BYTES) this.connection?.socket.destroy();
      return;
    }
    const { filled } = this;
    try {
      this.filledTo(this.framing.take(this.piece, filled, filled + count));
    } catch (error) {
      if (!isQuorateError(error)) throw error;
      this.failure = error;
      this.wake();
    }
  }

  private filledTo(filled: number): void {
    this.filled = filled;
    const { isOver } = this.framing;
    if (filled < this.piece.length && !isOver) return;
    if (filled > 0) this.ready.push(this.piece.subarray(0, filled));
    else release(this.piece);
    this.piece = isOver ? NO_BYTES : newPiece();
    this.filled = 0;
    if (this.ready.length >= WAITING_MAX) this.pause();
    this.wake();
  }

  /** Of a body that nobody asks for any more. The connection must not read into it: it does until it is closed, or has other room. */
  private leavePiece(): void {
    release(this.piece);
    this.piece = NO_BYTES;
  }

  private pause(): void {
    this.isPaused = true;
    this.connection?.socket.pause();
  }

  private goOn(): void {
    this.isPaused = false;
    this.connection?.socket.resume();
  }

  private async more(): Promise<void> {
    const { idleMs } = this;
    const cut = (): void => void this.connection?.socket.destroy(new Error(`nothing came for ${idleMs} ms`));
    this.timer = setTimeout(cut, idleMs);
    await new Promise<void>((resolve) => (this.wake = resolve));
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private fail(why: string, cause?: Error): void {
    if (this.isOver) return;
    this.failure = new QuorateError("PROTOCOL", why, cause === undefined ? {} : { cause });
    this.wake();
  }

  /** It is answered. What a client sends before it reads the answer is thrown away: cut off, it might not come to it. */
  private part(): void {
    const { socket } = this.connection ?? {};
    this.isLeft = true;
    if (socket === undefined || socket.destroyed) return;
    this.timer = setTimeout(() => socket.destroy(), DRAIN_SILENCE_MS);
    socket.once("close", () => clearTimeout(this.timer));
    socket.end();
  }
}

function newPiece(): Bytes {
  return takeBuffer() ?? allocateOwnedBytes(PIECE_BYTES);
}

function* lent(piece: Bytes): Generator<Bytes> {
  try {
    yield piece;
  } finally {
    release(piece);
  }
}
