/**
 * Writes of texts to a socket, past its stream.
 *
 * A stream keeps of each write a request and a state, and calls back at the end of the turn: of a small reply that is a fifth of
 * all that its command costs. What the system takes at once needs none of it. The parts of Node.js that this uses are not
 * documented, so they are looked for first; where one is missing, the stream writes.
 */
import type { Socket } from "node:net";

/** What waits until the system takes it. Its `oncomplete` is called once, with 0 or a negative number of an error. */
interface WriteRequest {
  oncomplete?: (status: number) => void;
}

interface StreamWrap {
  readonly WriteWrap: new () => WriteRequest;
  readonly streamBaseState: ArrayLike<number>;
  /** Where the state says that the last write was not over when the call returned. */
  readonly kLastWriteWasAsync: number;
}

/** The connection underneath a socket. */
interface Handle {
  /** 0, or a negative number of an error. */
  readonly writeLatin1String?: (request: WriteRequest, text: string) => number;
}

const wrap = findStreamWrap();
/** Of a write that is over when the call returns nothing is kept, so all of them use one request. */
let spare = wrap && new wrap.WriteWrap();

export class SocketWrites {
  /** Called whenever nothing waits any more of what did. */
  onDrained: () => void = () => undefined;
  private readonly socket: Socket;
  private readonly isDirect: boolean;
  /** Bytes of the write that went past the stream and is not over. */
  private waiting = 0;
  private isAwaited = false;

  /** `isDirect`: default true; it is so only where Node.js allows it. */
  constructor(socket: Socket, isDirect = true) {
    this.socket = socket;
    this.isDirect = isDirect;
  }

  /** Bytes that the system has not taken yet. */
  get waitingBytes(): number {
    return this.waiting + this.socket.writableLength;
  }

  /** Each character is one byte. To be called while the socket is open, and has not ended. */
  write(text: string): void {
    // What comes while something waits the stream gathers: each write of its own would take memory of its own.
    if (this.waitingBytes > 0 || this.socket.connecting || !this.writePastStream(text)) {
      this.socket.write(text, "latin1", () => this.taken());
    }
    this.isAwaited ||= this.waitingBytes > 0;
  }

  /** False: nothing was done. */
  private writePastStream(text: string): boolean {
    const { socket } = this;
    // Not documented: null when it is closed.
    const { _handle: handle } = socket as unknown as { readonly _handle?: Handle | null };
    if (!this.isDirect || wrap === undefined || spare === undefined) return false;
    if (handle?.writeLatin1String === undefined) return false;
    const request = spare;
    if (handle.writeLatin1String(request, text) !== 0) {
      socket.destroy();
      return true;
    }
    if (wrap.streamBaseState[wrap.kLastWriteWasAsync] === 0) return true;
    spare = new wrap.WriteWrap();
    this.waiting = text.length;
    request.oncomplete = (status) => {
      this.waiting = 0;
      if (status < 0) socket.destroy();
      else this.taken();
    };
    return true;
  }

  private taken(): void {
    if (!this.isAwaited || this.waitingBytes > 0 || this.socket.destroyed) return;
    this.isAwaited = false;
    this.onDrained();
  }
}

/** Undefined in a Node.js that keeps it to itself. */
function findStreamWrap(): StreamWrap | undefined {
  const { binding } = process as unknown as { readonly binding?: (name: string) => Partial<StreamWrap> };
  try {
    const found = binding?.("stream_wrap");
    const { WriteWrap, streamBaseState, kLastWriteWasAsync } = found ?? {};
    if (typeof WriteWrap !== "function" || typeof kLastWriteWasAsync !== "number") return undefined;
    return typeof streamBaseState?.[kLastWriteWasAsync] === "number"
      ? { WriteWrap, streamBaseState, kLastWriteWasAsync }
      : undefined;
  } catch {
    return undefined;
  }
}
