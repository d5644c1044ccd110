/** What a call throws: one class, read from `google.rpc.Status` where a service answered. */

import { Code, ConnectError } from "@connectrpc/connect";
import type { Status } from "../generated/google/rpc/status_pb.js";
import { type Detail, type FieldViolation, readDetails } from "./error_details.js";

export { Code } from "@connectrpc/connect";

/** Trying these again gives the same answer: the request itself, or the caller, is what is wrong. */
const FINAL: ReadonlySet<Code> = new Set([
  Code.InvalidArgument,
  Code.NotFound,
  Code.AlreadyExists,
  Code.PermissionDenied,
  Code.Unauthenticated,
  Code.FailedPrecondition,
  Code.OutOfRange,
  Code.Unimplemented,
]);

/** What a broken connection looks like where nobody answered. */
const BROKEN: ReadonlySet<Code> = new Set([Code.Aborted, Code.Canceled, Code.Internal, Code.Unknown]);

/** A service, or the way to it, refused a call. Its message is for people, the other members are for programs. */
export class CallError extends Error {
  override readonly name = "CallError";
  /** The stable name of what went wrong, such as "REQUEST_ID_REUSED": the code's name where the service gave none. */
  readonly reason: string;
  /** Whose name that is: "missioncontrol". Empty where nobody explained the error: a proxy, a broken connection. */
  readonly domain: string;
  /** Further facts by name, from ErrorInfo. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The fields that were refused, from BadRequest. */
  readonly fieldViolations: readonly FieldViolation[];
  /** How long the service asks to wait before trying again, from RetryInfo. */
  readonly retrySeconds: number | undefined;

  constructor(
    /** The status code of gRPC. */
    readonly code: Code,
    /** What the service said. */
    readonly statusMessage: string,
    details: readonly Detail[] = [],
    options?: ErrorOptions,
  ) {
    const read = readDetails(details);
    const fields = read.fieldViolations.map((each) => `; ${each.field}: ${each.description}`);
    super(`${codeName(code)}: ${statusMessage}${fields.join("")}`, options);
    this.reason = read.reason ?? codeName(code);
    this.domain = read.domain;
    this.metadata = read.metadata;
    this.fieldViolations = read.fieldViolations;
    this.retrySeconds = read.retrySeconds;
  }

  /** The code as gRPC writes it, such as "INVALID_ARGUMENT". */
  get codeName(): string {
    return codeName(this.code);
  }

  /** Whether the same call would be refused again. */
  get final(): boolean {
    return FINAL.has(this.code);
  }

  /** Makes one of whatever a call threw. A connection that broke is UNAVAILABLE, as in every other language. */
  static from(thrown: unknown): CallError {
    if (thrown instanceof CallError) return thrown;
    const error = ConnectError.from(thrown);
    const code = isBroken(error) ? Code.Unavailable : error.code;
    const details = error.details.filter((each): each is Detail => "type" in each);
    return new CallError(code, error.rawMessage, details, { cause: thrown });
  }

  /** Makes one of a status that came inside of an answer, such as a result of BatchCreateTasks. */
  static fromStatus(status: Status): CallError {
    const details = status.details.map(({ typeUrl, value }) => ({ type: typeUrl.split("/").pop() ?? "", value }));
    return new CallError(codeOf(status.code), status.message, details);
  }
}

function codeName(code: Code): string {
  if (code === Code.Canceled) return "CANCELLED";
  const name = (Code[code] as string | undefined) ?? "Unknown";
  return name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}

function codeOf(number: number): Code {
  const codes = Object.values(Code).filter((each): each is Code => typeof each === "number");
  return codes.find((each) => Code[each] === Code[number]) ?? Code.Unknown;
}

/** Whether nobody answered. A message that cannot be encoded is Internal too, and no fault of the connection. */
function isBroken(error: ConnectError): boolean {
  if (!BROKEN.has(error.code) || error.metadata.has("grpc-status")) return false;
  return error.code !== Code.Internal || error.rawMessage.startsWith("http/2") || isOfNode(error.cause);
}

function isOfNode(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && typeof cause.code === "string";
}
