/** Values to payloads and back. Nothing here knows a task or the network. */

import { create } from "@bufbuild/protobuf";
import { type Payload, PayloadSchema } from "../generated/missioncontrol/v1/task_pb.js";

const JSON_TYPE = "application/json";

/** A payload of a value: bytes as they are, a Payload as it is, undefined as none, everything else as JSON. */
export function encodePayload(value: unknown): Payload {
  if (value === undefined) return create(PayloadSchema);
  if (value instanceof Uint8Array) return create(PayloadSchema, { data: value });
  if (isPayload(value)) return value;
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError(`a ${typeof value} cannot become a payload`);
  return create(PayloadSchema, { data: new TextEncoder().encode(text), contentType: JSON_TYPE });
}

/** The value of a payload of JSON; undefined if it is empty. Throws a SyntaxError or a TypeError for what is no JSON in UTF-8. */
export function decodePayload(payload: Payload | undefined): unknown {
  if (payload === undefined || payload.data.length === 0) return undefined;
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload.data)) as unknown;
}

function isPayload(value: unknown): value is Payload {
  return (
    typeof value === "object" && value !== null && "$typeName" in value && value.$typeName === PayloadSchema.typeName
  );
}
