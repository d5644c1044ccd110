import assert from "node:assert/strict";
import test from "node:test";
import { create } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { ConnectError } from "@connectrpc/connect";
import { StatusSchema } from "../../generated/google/rpc/status_pb.js";
import { verdict } from "../../src/agent/stream_end.js";
import { AgentRefused, AgentSuperseded } from "../../src/agent/agent_error.js";
import { CallError, Code } from "../../src/call_error.js";

/** A message of strings, each with the number of its field. */
function strings(...fields: [number, string][]): Uint8Array {
  return written((writer) => {
    for (const [number, text] of fields) writer.tag(number, WireType.LengthDelimited).string(text);
  });
}

function written(write: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter();
  write(writer);
  return writer.finish();
}

/** A message that has one other as this field. */
function around(number: number, content: Uint8Array): Uint8Array {
  return written((writer) => writer.tag(number, WireType.LengthDelimited).bytes(content));
}

function detail(type: string, value: Uint8Array) {
  return { type, value };
}

const NAMED = strings([1, "REQUEST_ID_REUSED"], [2, "missioncontrol"]);
const ERROR_INFO = new Uint8Array([...NAMED, ...around(3, strings([1, "task_id"], [2, "t-1"]))]);
const BAD_REQUEST = around(
  1,
  strings([1, "spec.kind"], [2, "is empty"], [3, "string.pattern"], [9, "of a later version"]),
);
const RETRY_INFO = around(
  1,
  written((writer) => writer.tag(1, WireType.Varint).int64(2n).tag(2, WireType.Varint).int32(5e8)),
);

test("the details of a status are read", () => {
  const error = new CallError(Code.AlreadyExists, "no", [
    detail("google.rpc.ErrorInfo", ERROR_INFO),
    detail("google.rpc.BadRequest", BAD_REQUEST),
    detail("google.rpc.RetryInfo", RETRY_INFO),
    detail("google.rpc.Unknown", strings([1, "x"])),
  ]);

  assert.deepEqual(
    [error.codeName, error.reason, error.domain],
    ["ALREADY_EXISTS", "REQUEST_ID_REUSED", "missioncontrol"],
  );
  assert.deepEqual(error.metadata, { task_id: "t-1" });
  assert.deepEqual(error.fieldViolations, [{ field: "spec.kind", description: "is empty", reason: "string.pattern" }]);
  assert.equal(error.retrySeconds, 2.5);
  assert.equal(error.message, "ALREADY_EXISTS: no; spec.kind: is empty");
});

test("a detail that is broken does not hide the error", () => {
  const error = new CallError(Code.NotFound, "no", [{ type: "google.rpc.ErrorInfo", value: new Uint8Array([10, 99]) }]);

  assert.deepEqual([error.reason, error.metadata], ["NOT_FOUND", {}]);
});

test("a status inside of an answer is read as that of a call", () => {
  const typeUrl = "type.googleapis.com/google.rpc.ErrorInfo";
  const details = [{ typeUrl, value: ERROR_INFO }];

  const error = CallError.fromStatus(create(StatusSchema, { code: 6, message: "no", details }));

  assert.deepEqual([error.code, error.reason], [Code.AlreadyExists, "REQUEST_ID_REUSED"]);
});

test("a connection that broke is UNAVAILABLE, what a service said stays as it is", () => {
  const answered = new Headers({ "grpc-status": "10" });
  const reset = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });

  assert.equal(CallError.from(new ConnectError("x", Code.Aborted, answered)).code, Code.Aborted);
  assert.equal(CallError.from(new ConnectError("x", Code.Aborted)).code, Code.Unavailable);
  assert.equal(
    CallError.from(new ConnectError("x", Code.Internal, undefined, undefined, reset)).code,
    Code.Unavailable,
  );
  assert.equal(CallError.from(new ConnectError("cannot encode", Code.Internal)).code, Code.Internal);
  assert.equal(CallError.from(new ConnectError("x", Code.Canceled)).code, Code.Unavailable);
});

test("a superseded incarnation is final at any time, a refusal only before Welcome", () => {
  const info = strings([1, "INCARNATION_SUPERSEDED"]);
  const superseded = new CallError(Code.FailedPrecondition, "x", [detail("google.rpc.ErrorInfo", info)]);
  const invalid = new CallError(Code.InvalidArgument, "x");

  assert.ok(verdict(superseded, "a", true) instanceof AgentSuperseded);
  assert.ok(verdict(invalid, "a", false) instanceof AgentRefused);
  assert.equal(verdict(invalid, "a", true), undefined);
});

test("every other end of a stream is one to connect again after", () => {
  for (const code of [
    Code.Unavailable,
    Code.Internal,
    Code.Canceled,
    Code.Aborted,
    Code.ResourceExhausted,
    Code.Unknown,
  ]) {
    assert.equal(verdict(new CallError(code, "x"), "a", false), undefined);
  }
});
