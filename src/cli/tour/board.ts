/** Live progress: a few lines redrawn in place on a terminal, a plain line now and then elsewhere. */

const REDRAW_MS = 100;
const PLAIN_MS = 2000;

export interface Board {
  /** Prints a line that stays, above the board. */
  note(line: string): void;
  /** Draws a last time and leaves the lines standing. */
  end(): void;
}

/** `draw` gives the board's lines, `summary` one line for where there is no terminal. */
export function createBoard(
  output: NodeJS.WriteStream,
  draw: (columns: number) => readonly string[],
  summary: () => string,
): Board {
  const inPlace = output.isTTY === true && process.env["TERM"] !== "dumb";
  let drawn = 0;
  let ended = false;
  // Up over what was drawn, and clear to the end of the screen.
  const erase = (): string => (drawn > 0 ? `\u001b[${drawn}A\u001b[J` : "");
  const redraw = (above = ""): void => {
    const lines = draw(output.columns ?? 80);
    output.write(`${erase()}${above}${lines.map((line) => `${line}\n`).join("")}`);
    drawn = lines.length;
  };
  let printed = "";
  const print = (): void => {
    const line = summary();
    if (line !== printed) output.write(`${line}\n`);
    printed = line;
  };
  const timer = setInterval(() => (inPlace ? redraw() : print()), inPlace ? REDRAW_MS : PLAIN_MS);
  return {
    note(line) {
      if (inPlace && !ended) redraw(`${line}\n`);
      else output.write(`${line}\n`);
    },
    end() {
      if (ended) return;
      ended = true;
      clearInterval(timer);
      if (inPlace) redraw();
      else print();
    },
  };
}

/** "█████░░░░░" */
export function bar(fraction: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * width);
  return "█".repeat(full) + "░".repeat(width - full);
}
