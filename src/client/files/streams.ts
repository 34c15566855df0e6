/** Streams of Node.js and of the web over what a driver reads and writes, all at the pace of the slower side. */
import { Readable, Writable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import type { Chunks } from "./driver.ts";
import type { Upload } from "./pipe.ts";

export function readableOf(
  chunks: Chunks,
  encoding: BufferEncoding | undefined,
  highWaterMark: number | undefined,
): Readable {
  return Readable.from(chunks, {
    objectMode: false,
    ...(encoding === undefined ? {} : { encoding }),
    ...(highWaterMark === undefined ? {} : { highWaterMark }),
  });
}

export function webReadableOf(chunks: Chunks): ReadableStream<Uint8Array> {
  const pieces = chunks[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await pieces.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await pieces.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Destroying it before it is finished leaves nothing behind. */
export function writableTo(upload: Upload): Writable {
  const settle = (wait: Promise<void>, done: (error?: Error) => void): void =>
    void wait.then(() => done(), done);
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => settle(upload.push(chunk), done),
    final: (done) => settle(upload.close(), done),
    destroy(error, done) {
      const why = error ?? new Error("the stream was destroyed before its end");
      // After its end there is nothing to give up.
      void upload.abort(why).then(() => done(error));
    },
  });
}
