import assert from "node:assert/strict";
import test from "node:test";
import { create } from "@bufbuild/protobuf";
import {
  type CoordinatorMessage,
  CoordinatorMessageSchema,
  type Heartbeat,
  HeartbeatEchoSchema,
} from "../../generated/missioncontrol/v1/agent_service_pb.js";
import { STOPPED } from "../../src/session/outcome.js";
import type { Session } from "../../src/session/session.js";
import {
  ack,
  connected,
  done,
  duration,
  key,
  lease,
  leases,
  reconnected,
  reported,
  said,
  SUCCEEDED,
} from "./builders.js";

function heartbeats(session: Session, now: number): Heartbeat[] {
  return said(session, now).flatMap(({ content }) => (content.case === "heartbeat" ? [content.value] : []));
}

function echo({ number, heldVersion }: Heartbeat): CoordinatorMessage {
  const value = create(HeartbeatEchoSchema, { number, heldVersion });
  return create(CoordinatorMessageSchema, { content: { case: "heartbeatEcho", value } });
}

/** Sends what is due at this time and has it echoed at another. */
function beat(session: Session, now: number, echoTime = now): void {
  for (const each of heartbeats(session, now)) session.receive(echo(each), echoTime);
}

test("a heartbeat is due every interval, also when idle", () => {
  const session = connected();

  assert.equal(session.nextMessageTime(), 5);
  assert.deepEqual(heartbeats(session, 4.9), []);
  assert.deepEqual(
    heartbeats(session, 5).map(({ number }) => number),
    [1n],
  );
  assert.equal(session.nextMessageTime(), 10);
});

test("at least six heartbeats go in the shortest time to live", () => {
  const session = connected();

  session.receive(leases(lease("a"), lease("b", { ttl: duration(6) })), 0);
  done(session, 0);
  reported(session, 0);

  assert.equal(session.nextMessageTime(), 1);
});

test("the set of leases goes along until its version was echoed on this stream", () => {
  const session = connected();
  session.receive(leases(lease("a")), 1);
  done(session, 1);

  const [first] = heartbeats(session, 5);
  const [unechoed] = heartbeats(session, 10);
  assert.ok(first && unechoed);
  session.receive(echo(unechoed), 10);
  const [echoed] = heartbeats(session, 15);

  assert.deepEqual([first.heldIncluded, unechoed.heldIncluded, echoed?.heldIncluded], [true, true, false]);
  assert.deepEqual(
    unechoed.held.map(({ taskId }) => taskId),
    ["a"],
  );
  assert.deepEqual([first.heldVersion, echoed?.heldVersion, echoed?.held], [1n, 1n, []]);
});

test("an empty set is a set, too", () => {
  const session = connected();
  session.receive(leases(lease("a")), 1);
  done(session, 1);
  session.ended(key("a"), SUCCEEDED, 2);
  reported(session, 2);
  beat(session, 5);
  session.receive(ack(1), 6);

  const [after] = heartbeats(session, 10);

  assert.deepEqual([after?.heldIncluded, after?.held, after?.heldVersion], [true, [], 2n]);
});

test("a new stream says the set anew", () => {
  const session = connected();
  beat(session, 5);

  reconnected(session, 6);

  assert.equal(heartbeats(session, 11)[0]?.heldIncluded, true);
});

test("no echo in time is a broken stream", () => {
  const session = connected();
  beat(session, 5);
  heartbeats(session, 10);

  assert.equal(session.nextTime(), 17);
  assert.deepEqual(done(session, 16.9), []);
  assert.deepEqual(done(session, 17), ["reconnect: no answer of the coordinator in time"]);
  assert.equal(session.connected, false);
});

test("no Welcome in time is a broken stream", () => {
  const session = connected();
  session.disconnect();
  session.connect(20);

  assert.deepEqual(done(session, 30), ["reconnect: no answer of the coordinator in time"]);
});

test("the work of a lease stops two thirds of its life after the last echoed heartbeat was sent", () => {
  const session = connected();
  session.receive(leases(lease("a")), 1);
  done(session, 1);
  beat(session, 5, 9); // It came back late; what counts is when it went out.
  session.disconnect();
  session.connect(10);

  assert.deepEqual(done(session, 24.9), ["reconnect: no answer of the coordinator in time"]);
  assert.deepEqual(done(session, 25), ["stop a/1: the lease could not be renewed in time"]);
});

test("a heartbeat that was not echoed renews nothing", () => {
  const session = connected();
  session.receive(leases(lease("a", { ttl: duration(9) })), 0);
  done(session, 0);

  heartbeats(session, 5);

  assert.deepEqual(done(session, 6), ["stop a/1: the lease could not be renewed in time"]);
});

test("a lease that came after the echoed heartbeat is not renewed by it", () => {
  const session = connected();
  const [before] = heartbeats(session, 5);
  assert.ok(before);
  session.receive(leases(lease("a", { ttl: duration(9) })), 5.5);
  done(session, 5.5);
  session.receive(echo(before), 6);

  assert.deepEqual(done(session, 8.4), []);
  assert.deepEqual(done(session, 8.5), ["stop a/1: the lease could not be renewed in time"]);
});

test("work that was stopped for its lease is returned, and burns nothing", () => {
  const session = connected();
  session.receive(leases(lease("a")), 0);
  done(session, 0);
  reported(session, 0);
  session.disconnect();
  done(session, 20);

  session.ended(key("a"), STOPPED, 21);
  reconnected(session, 22, "a");

  const events = reported(session, 22).map(({ event }) => event.case);
  assert.deepEqual(events, ["started", "returned"]);
});
