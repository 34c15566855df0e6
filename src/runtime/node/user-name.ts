/** Who runs this process. */
import { userInfo } from "node:os";

/** The name of the user; "quorate" for one that has only a number, as containers have them. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return "quorate";
  }
}
