/** A collection's cut: its head, then its elements by position, in pieces. */
import type { ByteWriter } from "../../../wire/byte-writer.ts";
import type { CollectionCut } from "../value.ts";

/** The elements of a collection by position. */
export interface Elements {
  readonly size: number;
  write(writer: ByteWriter, position: number): void;
  /** The same elements, whatever becomes of the collection. */
  copy(): Elements;
}

/** `writeHead` is called at once with the first piece, before any change. */
export function cutElements(writeHead: (writer: ByteWriter) => void, elements: Elements): CollectionCut {
  const { size } = elements;
  let source = elements;
  let head: ((writer: ByteWriter) => void) | undefined = writeHead;
  let kept = false;
  let position = 0;
  return {
    advance(writer, maxBytes) {
      head?.(writer);
      head = undefined;
      const end = writer.size + maxBytes;
      while (position < size && writer.size < end) source.write(writer, position++);
      return position < size;
    },
    keep() {
      if (kept || position >= size) return;
      kept = true;
      source = source.copy();
    },
  };
}

/** Elements that are binary strings and nothing more. */
export function strings(members: readonly string[]): Elements {
  return {
    size: members.length,
    write: (writer, position) => void writer.string(members[position] ?? ""),
    copy: () => strings(members.slice()),
  };
}
