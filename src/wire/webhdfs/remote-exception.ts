/** Errors as WebHDFS says them: `{"RemoteException": {…}}`. */
import type { ErrorCode, HadoopException } from "../../runtime/errors.ts";
import { ERRORS, hadoopExceptionOf, QuorateError } from "../../runtime/errors.ts";

export interface RemoteException {
  readonly RemoteException: {
    readonly exception: string;
    readonly javaClassName: string;
    readonly message: string;
  };
}

/**
 * The status and body of an error. Some clients read the text: that of PATH_NOT_FOUND says "does not exist", that of
 * PARENT_NOT_DIRECTORY "not a directory", because the namespace words them so.
 */
export function renderError(error: QuorateError): {
  readonly status: HadoopException["status"];
  readonly body: RemoteException;
} {
  const { exception, javaClassName, status } = hadoopExceptionOf(error.code);
  return { status, body: { RemoteException: { exception, javaClassName, message: error.message } } };
}

/** The first code of the error table with each exception. */
const CODES: ReadonlyMap<string, ErrorCode> = new Map(
  (Object.keys(ERRORS) as ErrorCode[]).reverse().map((code) => [hadoopExceptionOf(code).exception, code]),
);

/** What a server answered, as an error of the table; undefined when it is no error of WebHDFS. */
export function parseError(body: unknown): QuorateError | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const { RemoteException: remote } = body as { readonly RemoteException?: unknown };
  if (typeof remote !== "object" || remote === null) return undefined;
  const { exception, message } = remote as { readonly exception?: unknown; readonly message?: unknown };
  if (typeof exception !== "string") return undefined;
  const code =
    CODES.get(exception) ?? (exception === "StandbyException" ? "NO_QUORUM" : "FILE_OPERATION_REFUSED");
  return new QuorateError(code, typeof message === "string" ? message : exception);
}
