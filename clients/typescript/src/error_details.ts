/** The messages of google.rpc that errors carry. They are small and final, so they are read here by their field numbers. */

import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** One field of a request that was refused: its path, what is wrong, and the rule's id. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
  readonly reason: string;
}

/** What a service says of an error besides code and message. */
export interface ErrorDetails {
  /** The stable name of what went wrong, such as "REQUEST_ID_REUSED"; undefined if nobody named it. */
  reason: string | undefined;
  /** Whose name that is: "missioncontrol". */
  domain: string;
  /** Further facts by name. */
  metadata: Record<string, string>;
  fieldViolations: FieldViolation[];
  /** How long the service asks to wait before trying again. */
  retrySeconds: number | undefined;
}

/** A detail as a status has it: the full name of its message, and the bytes. */
export interface Detail {
  readonly type: string;
  readonly value: Uint8Array;
}

/** Reads what is known of the details, and leaves out what is not or cannot be read. */
export function readDetails(details: readonly Detail[]): ErrorDetails {
  const read: ErrorDetails = {
    reason: undefined,
    domain: "",
    metadata: {},
    fieldViolations: [],
    retrySeconds: undefined,
  };
  for (const { type, value } of details) {
    try {
      if (type === "google.rpc.ErrorInfo") readErrorInfo(value, read);
      if (type === "google.rpc.BadRequest") readBadRequest(value, read);
      if (type === "google.rpc.RetryInfo") readRetryInfo(value, read);
    } catch {
      // A detail that is broken must not hide the error that it came with.
    }
  }
  return read;
}

function readErrorInfo(bytes: Uint8Array, into: ErrorDetails): void {
  eachField(bytes, {
    1: (reader) => (into.reason = reader.string()),
    2: (reader) => (into.domain = reader.string()),
    3: (reader) => {
      const [key, value] = readStrings(reader.bytes(), 2);
      into.metadata[key ?? ""] = value ?? "";
    },
  });
}

function readBadRequest(bytes: Uint8Array, into: ErrorDetails): void {
  eachField(bytes, {
    1: (reader) => {
      const [field = "", description = "", reason = ""] = readStrings(reader.bytes(), 3);
      into.fieldViolations.push({ field, description, reason });
    },
  });
}

function readRetryInfo(bytes: Uint8Array, into: ErrorDetails): void {
  eachField(bytes, {
    1: (reader) => {
      into.retrySeconds = 0;
      eachField(reader.bytes(), {
        1: (duration) => (into.retrySeconds = (into.retrySeconds ?? 0) + Number(duration.int64())),
        2: (duration) => (into.retrySeconds = (into.retrySeconds ?? 0) + duration.int32() * 1e-9),
      });
    },
  });
}

/** The fields from 1 to `count` of a message in which they are strings. */
function readStrings(bytes: Uint8Array, count: number): string[] {
  const found = new Array<string>(count).fill("");
  const readers = found.map((_, index) => [index + 1, (reader: BinaryReader) => (found[index] = reader.string())]);
  eachField(bytes, Object.fromEntries(readers) as Record<number, (reader: BinaryReader) => unknown>);
  return found;
}

function eachField(bytes: Uint8Array, readers: Record<number, (reader: BinaryReader) => unknown>): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    const read = readers[number];
    if (read !== undefined && wireType !== WireType.StartGroup) read(reader);
    else reader.skip(wireType, number);
  }
}
