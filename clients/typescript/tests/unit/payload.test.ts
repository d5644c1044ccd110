import assert from "node:assert/strict";
import test from "node:test";
import { decodePayload, encodePayload } from "../../src/payload.js";
import { withRequestId } from "../../src/request_id.js";
import { clip } from "../../src/session/text.js";

test("values become JSON and come back", () => {
  for (const value of [null, 0, "ü→🚀", [1, { a: true }]]) {
    assert.deepEqual(decodePayload(encodePayload(value)), value);
  }
  assert.equal(encodePayload({}).contentType, "application/json");
});

test("bytes stay as they are, nothing is an empty payload, and a payload is one", () => {
  const bytes = encodePayload(new Uint8Array([1, 2]));

  assert.deepEqual([bytes.data, bytes.contentType], [new Uint8Array([1, 2]), ""]);
  assert.equal(encodePayload(bytes), bytes);
  assert.equal(decodePayload(encodePayload(undefined)), undefined);
});

test("what is no JSON is refused, either way", () => {
  assert.throws(() => encodePayload(() => 1), TypeError);
  assert.throws(() => decodePayload(encodePayload(new TextEncoder().encode("{"))), SyntaxError);
  assert.throws(() => decodePayload(encodePayload(new Uint8Array([0x22, 0xff, 0x22]))), TypeError);
});

test("texts are cut at the border of a character", () => {
  assert.equal(clip("ab", 2), "ab");
  assert.equal(clip("aü🚀", 3), "aü");
  assert.equal(clip("aü🚀", 6), "aü");
  assert.equal(clip("a\ud800", 10), "a\ufffd");
});

test("a write without a request id gets one, and one that has it keeps it", () => {
  const [one, other] = [withRequestId({ requestId: "" }), withRequestId({ requestId: "mine" })];
  const batch = withRequestId({ requests: [{ requestId: "" }, { requestId: "b" }] });

  assert.match(one.requestId, /^[0-9a-f-]{36}$/);
  assert.equal(other.requestId, "mine");
  assert.deepEqual([batch.requests[0]?.requestId.length, batch.requests[1]?.requestId], [36, "b"]);
});
