/** The latest images of compiled scripts and libraries, bounded in bytes. Losing one costs a compilation, nothing else. */
import type { Image } from "./lua-machine.ts";

export class ImageCache {
  private readonly images = new Map<string, Image>();
  private bytes = 0;
  private readonly limitBytes: number;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get(key: string): Image | undefined {
    return this.images.get(key);
  }

  /** The oldest go when there are too many. */
  set(key: string, image: Image): void {
    this.bytes += image.length - (this.images.get(key)?.length ?? 0);
    this.images.delete(key);
    this.images.set(key, image);
    for (const [oldest, { length }] of this.images) {
      if (this.bytes <= this.limitBytes || this.images.size === 1) break;
      this.images.delete(oldest);
      this.bytes -= length;
    }
  }
}
