/**
 * Where the body of an HTTP/1.1 request is in what its connection brings (RFC 9112, sections 6 and 7), decoded in place: content
 * moves down over the framing in front of it, so a reader needs one buffer and no copies where there is no framing.
 */
import { QuorateError } from "../../runtime/errors.ts";

export interface BodyFraming {
  /** Nothing more belongs to the body. */
  readonly isOver: boolean;
  /** So many bytes that come next may belong to the body, at most. */
  readonly most: number;
  /**
   * [from, to) comes next on the connection. What of it is content is moved to `from`; returns where that ends. What is behind the
   * body is dropped. Throws PROTOCOL for what is no body; it must not be used any more then.
   */
  take(bytes: Uint8Array, from: number, to: number): number;
}

/** A body of `length` bytes (Content-Length). */
export class SizedBody implements BodyFraming {
  private left: number;

  constructor(length: number) {
    this.left = length;
  }

  get isOver(): boolean {
    return this.left === 0;
  }

  get most(): number {
    return this.left;
  }

  take(_bytes: Uint8Array, from: number, to: number): number {
    const taken = Math.min(this.left, to - from);
    this.left -= taken;
    return from + taken;
  }
}

/** Digits of a chunk's size: all that a double holds exactly. */
const SIZE_DIGITS_MAX = 13;
/** Extensions of one chunk. Nobody has a use for them; some send a signature of each chunk. */
const EXTENSION_MAX_BYTES = 1024;
/** The fields behind the last chunk, together. They are looked through and dropped. */
const TRAILER_MAX_BYTES = 8 * 1024;

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SEMICOLON = 0x3b;
/** Bytes of a field's name (RFC 9110, section 5.6.2). */
const NAME_BYTES: ReadonlySet<number> = new Set(
  Array.from("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", (character) =>
    character.charCodeAt(0),
  ),
);

type Place =
  | "size"
  | "extension"
  | "sizeEnd"
  | "content"
  | "contentEnd"
  | "contentEndLine"
  | "fieldStart"
  | "fieldName"
  | "fieldValue"
  | "fieldEnd"
  | "end"
  | "over";

/**
 * A body in chunks (Transfer-Encoding: chunked). As strict as the grammar, and stricter than some readers: no line ends with LF
 * alone, no blanks surround a size. What two readers understand differently is how requests are smuggled past the one.
 */
export class ChunkedBody implements BodyFraming {
  private place: Place = "size";
  private size = 0;
  private digits = 0;
  private extensionBytes = 0;
  private trailerBytes = 0;

  get isOver(): boolean {
    return this.place === "over";
  }

  get most(): number {
    return this.isOver ? 0 : Infinity;
  }

  take(bytes: Uint8Array, from: number, to: number): number {
    let end = from;
    let at = from;
    while (at < to && this.place !== "over") {
      if (this.place !== "content") {
        this.step(bytes[at++] as number);
        continue;
      }
      const length = Math.min(this.size, to - at);
      if (at > end) bytes.copyWithin(end, at, at + length);
      at += length;
      end += length;
      this.size -= length;
      if (this.size === 0) this.place = "contentEnd";
    }
    return end;
  }

  private step(byte: number): void {
    switch (this.place) {
      case "size":
        return this.stepInSize(byte);
      case "extension":
        if (byte === CR) this.place = "sizeEnd";
        else if (!isText(byte)) throw refused("the extension of a chunk has a control character");
        else if (++this.extensionBytes > EXTENSION_MAX_BYTES) {
          throw refused(`the extensions of a chunk have more than ${EXTENSION_MAX_BYTES} bytes`);
        }
        return;
      case "sizeEnd":
        expect(byte, LF, "the size of a chunk");
        this.place = this.size === 0 ? "fieldStart" : "content";
        return;
      case "contentEnd":
        expect(byte, CR, "a chunk");
        this.place = "contentEndLine";
        return;
      case "contentEndLine":
        expect(byte, LF, "a chunk");
        this.digits = this.size = this.extensionBytes = 0;
        this.place = "size";
        return;
      default:
        return this.stepInTrailer(byte);
    }
  }

  private stepInSize(byte: number): void {
    const digit = hexadecimal(byte);
    if (digit !== undefined) {
      if (++this.digits > SIZE_DIGITS_MAX) throw refused("the size of a chunk is above all bounds");
      this.size = this.size * 16 + digit;
    } else if (this.digits === 0) throw refused("a chunk begins without its size");
    else if (byte === CR) this.place = "sizeEnd";
    else if (byte === SEMICOLON) this.place = "extension";
    else throw refused("the size of a chunk is no hexadecimal number");
  }

  private stepInTrailer(byte: number): void {
    if (++this.trailerBytes > TRAILER_MAX_BYTES) {
      throw refused(`the fields behind the body have more than ${TRAILER_MAX_BYTES} bytes`);
    }
    switch (this.place) {
      case "fieldStart":
        if (byte === CR) this.place = "end";
        else if (NAME_BYTES.has(byte)) this.place = "fieldName";
        else throw refused("a field behind the body has no name");
        return;
      case "fieldName":
        if (byte === COLON) this.place = "fieldValue";
        else if (!NAME_BYTES.has(byte)) throw refused("the name of a field behind the body is none");
        return;
      case "fieldValue":
        if (byte === CR) this.place = "fieldEnd";
        else if (!isText(byte)) throw refused("a field behind the body has a control character");
        return;
      case "fieldEnd":
        expect(byte, LF, "a field behind the body");
        this.place = "fieldStart";
        return;
      default:
        expect(byte, LF, "the body");
        this.place = "over";
    }
  }
}

function hexadecimal(byte: number): number | undefined {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : undefined;
}

function isText(byte: number): boolean {
  return byte === TAB || (byte >= 0x20 && byte !== 0x7f);
}

function expect(byte: number, wanted: number, what: string): void {
  if (byte !== wanted) throw refused(`${what} does not end with a line's end`);
}

function refused(why: string): QuorateError {
  return new QuorateError("PROTOCOL", `this is no body in chunks: ${why}`);
}
