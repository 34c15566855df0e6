/** What a file may be, as far as its writer knows: whoever got no answer may have done anything. */
import type { Bytes } from "../../runtime/bytes.ts";

export interface Candidate {
  /** Undefined: the file is not there. */
  readonly content: Bytes | undefined;
  /** A beginning of the content, at least so long, may be all that there is; undefined: all of it is there. */
  readonly atLeast: number | undefined;
}

export const GONE: Candidate = { content: undefined, atLeast: undefined };

export function whole(content: Bytes): Candidate {
  return { content, atLeast: undefined };
}

export function beginning(content: Bytes, atLeast: number): Candidate {
  return { content, atLeast };
}

export function fits(content: Bytes | undefined, candidate: Candidate): boolean {
  if (content === undefined || candidate.content === undefined) return content === candidate.content;
  if (candidate.atLeast === undefined) return content.equals(candidate.content);
  return content.length >= candidate.atLeast && content.equals(candidate.content.subarray(0, content.length));
}

/** `found`, and where each of what it may be is another. */
export function told(found: Candidate, candidates: readonly Candidate[]): string {
  const others = candidates.map((candidate) => {
    const at = differsAt(found.content, candidate.content);
    return described(candidate) + (at === undefined ? "" : `, another from byte ${at} on`);
  });
  return `${described(found)} is none of ${others.join(" | ")}`;
}

function differsAt(found: Bytes | undefined, content: Bytes | undefined): number | undefined {
  if (found === undefined || content === undefined) return undefined;
  const at = found.findIndex((byte, index) => byte !== content[index]);
  return at < 0 ? undefined : at;
}

export function described({ content, atLeast }: Candidate): string {
  if (content === undefined) return "absent";
  const head = content.subarray(0, 4).toString("hex");
  return `${content.length} bytes ${head}${atLeast === undefined ? "" : `, at least ${atLeast}`}`;
}
