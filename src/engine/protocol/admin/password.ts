/** The password of the cluster in a request over HTTP. */
import { createHash, timingSafeEqual } from "node:crypto";

/** Whether an `Authorization` header gives the password: "Basic", whatever the name is, or "Bearer". */
export function isAuthorised(authorization: string | undefined, password: string): boolean {
  return isEqual(passwordOf(authorization), password);
}

function passwordOf(authorization = ""): string {
  const [scheme, value = ""] = authorization.split(" ", 2);
  if (scheme?.toLowerCase() === "bearer") return value;
  if (scheme?.toLowerCase() !== "basic") return "";
  const text = Buffer.from(value, "base64").toString("utf8");
  return text.slice(text.indexOf(":") + 1);
}

/** Takes as long for a wrong password as for the right one. */
function isEqual(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
