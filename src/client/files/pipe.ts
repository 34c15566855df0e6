/** A way from those who push bytes (a stream, a handle) to a driver that pulls them: one piece at a time, so never faster. */
import type { Chunks } from "./driver.ts";

export class Pipe {
  private piece:
    | { readonly bytes: Uint8Array; readonly taken: () => void; readonly failed: (error: Error) => void }
    | undefined;
  private wake: (() => void) | undefined;
  private ended = false;
  private failure: Error | undefined;

  /** Resolves when the driver has taken the bytes; rejects with what ended the driver. */
  push(bytes: Uint8Array): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise((taken, failed) => {
      this.piece = { bytes, taken, failed };
      this.wake?.();
    });
  }

  /** No more will come. */
  end(): void {
    this.ended = true;
    this.wake?.();
  }

  /** Both sides end with the error. */
  fail(error: Error): void {
    this.failure ??= error;
    this.piece?.failed(this.failure);
    this.piece = undefined;
    this.wake?.();
  }

  async *pull(): Chunks {
    for (;;) {
      if (this.failure !== undefined) throw this.failure;
      const { piece } = this;
      if (piece !== undefined) {
        this.piece = undefined;
        yield piece.bytes;
        // The driver asks for more: it has taken this.
        piece.taken();
      } else if (this.ended) return;
      else {
        await new Promise<void>((resolve) => (this.wake = resolve));
        this.wake = undefined;
      }
    }
  }
}

/** One writer of a file in the hands of who pushes. */
export interface Upload {
  push(bytes: Uint8Array): Promise<void>;
  /** Resolves when the file is there, whole. */
  close(): Promise<void>;
  /** Gives up: nothing of it is seen. Never rejects. */
  abort(error: Error): Promise<void>;
}

export function startUpload(write: (chunks: Chunks) => Promise<void>): Upload {
  const pipe = new Pipe();
  const done = write(pipe.pull());
  done.catch((error: Error) => pipe.fail(error));
  return {
    push: (bytes) => pipe.push(bytes),
    close() {
      pipe.end();
      return done;
    },
    async abort(error) {
      pipe.fail(error);
      await done.catch(() => undefined);
    },
  };
}
