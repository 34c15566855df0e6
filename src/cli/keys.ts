/** Single keys while a program runs on a terminal, without waiting for Enter. */

/** Calls back per key; the returned function gives the terminal back. Does nothing where there is no terminal. */
export function onKeys(input: NodeJS.ReadStream, press: (key: string) => void): () => void {
  if (!input.isTTY) return () => undefined;
  const listen = (chunk: Buffer): void => {
    for (const key of chunk.toString("utf8")) press(key);
  };
  input.setRawMode(true);
  input.resume();
  input.on("data", listen);
  return () => {
    input.off("data", listen);
    input.setRawMode(false);
    input.pause();
  };
}

export const CTRL_C = "\u0003";
