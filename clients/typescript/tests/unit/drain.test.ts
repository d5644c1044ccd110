import assert from "node:assert/strict";
import test from "node:test";
import { DrainMode } from "../../generated/missioncontrol/v1/agent_service_pb.js";
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
  lines,
  orders,
  reconnected,
  reported,
  saidKinds,
  SUCCEEDED,
} from "./builders.js";

/** "a" runs, "b" waits for the only slot. */
function oneOfTwo(): Session {
  const session = connected({ slots: 1, queueLimit: 1 });
  session.receive(leases(lease("a"), lease("b")), 0);
  done(session, 0);
  reported(session, 0);
  return session;
}

test("an agent that leaves says so, returns what has not started, finishes the rest, and says goodbye last", () => {
  const session = oneOfTwo();

  session.leave(1, 30, 8);
  assert.deepEqual(saidKinds(session, 1), ["drainNotice", "reports"]);
  session.ended(key("a"), SUCCEEDED, 2);
  assert.deepEqual(lines(reported(session, 2)), ["3 a succeeded"]);
  session.receive(ack(3), 2);

  assert.deepEqual(done(session, 2), []);
  assert.deepEqual(saidKinds(session, 2), ["goodbye"]);
  assert.equal(session.left, true);
});

test("there is no goodbye before everything is acknowledged", () => {
  const session = oneOfTwo();
  session.leave(1, 30, 8);
  session.ended(key("a"), SUCCEEDED, 2);

  assert.deepEqual(saidKinds(session, 2), ["drainNotice", "reports"]);
  session.receive(ack(2), 2);
  assert.deepEqual(saidKinds(session, 2), []);
});

test("what still runs at the limit is stopped and returned", () => {
  const session = oneOfTwo();
  session.leave(1, 10, 8);
  reported(session, 1);

  assert.deepEqual(done(session, 11), ["stop a/1: the agent is draining"]);
  session.ended(key("a"), STOPPED, 11);

  assert.deepEqual(lines(reported(session, 11)), ["3 a returned"]);
});

test("work that does not stop is left behind", () => {
  const session = oneOfTwo();
  session.leave(1, 1, 4);
  reported(session, 1);
  session.receive(ack(2), 1);
  done(session, 2);

  const before = saidKinds(session, 5.9);

  assert.deepEqual([before, saidKinds(session, 6)], [["heartbeat"], ["goodbye"]]);
  assert.deepEqual(done(session, 7.9), []);
  assert.deepEqual(done(session, 8), ["leave"]);
});

test("a second signal ends the drain at once", () => {
  const session = oneOfTwo();
  session.leave(1, 30, 8);

  session.leave(2, 0, 8);

  assert.deepEqual(done(session, 2), ["stop a/1: the agent is draining"]);
});

test("an agent that leaves says so in Hello when the stream breaks meanwhile", () => {
  const session = oneOfTwo();
  session.leave(1, 30, 8);

  const { draining } = reconnected(session, 2, "a", "b");

  assert.equal(draining, true);
  assert.deepEqual(saidKinds(session, 2), ["drainNotice", "reports"]);
});

test("an agent that is idle and has no stream just leaves", () => {
  const session = connected();
  session.disconnect();

  session.leave(1, 30, 8);

  assert.deepEqual(done(session, 1), ["leave"]);
  assert.equal(session.left, true);
});

test("leases that come during a drain are returned", () => {
  const session = oneOfTwo();
  session.leave(1, 30, 8);
  reported(session, 1);

  session.receive(leases(lease("c")), 2);

  assert.deepEqual(done(session, 2), []);
  assert.deepEqual(lines(reported(session, 2)), ["3 c returned"]);
});

test("an ordered drain that finishes lets work run until its limit, and the agent stays", () => {
  const session = oneOfTwo();

  session.receive(orders({ drain: { mode: DrainMode.FINISH, timeLimit: duration(4) } }), 1);

  assert.deepEqual(lines(reported(session, 1)), ["2 b returned"]);
  assert.deepEqual(done(session, 4.9), []);
  assert.deepEqual(done(session, 5), ["stop a/1: the agent is draining"]);
  session.ended(key("a"), STOPPED, 5);
  assert.deepEqual(lines(reported(session, 5)), ["3 a returned"]);
  session.receive(ack(3), 5);
  assert.deepEqual([done(session, 6), session.left], [[], false]);
});

test("a drain that is ordered again makes the time no longer", () => {
  const session = oneOfTwo();
  const order = orders({ drain: { mode: DrainMode.FINISH, timeLimit: duration(4) } });
  session.receive(order, 1);

  session.receive(order, 3);

  assert.deepEqual(done(session, 5), ["stop a/1: the agent is draining"]);
});

test("an ordered drain that returns stops everything at once", () => {
  const session = oneOfTwo();

  session.receive(orders({ drain: { mode: DrainMode.RETURN } }), 1);

  assert.deepEqual(done(session, 1), ["stop a/1: the agent is draining"]);
});

test("work is taken again after a drain was called off, but not by an agent that leaves", () => {
  const session = oneOfTwo();
  session.receive(orders({ drain: { mode: DrainMode.FINISH } }), 1);
  session.ended(key("a"), SUCCEEDED, 2);

  session.receive(orders({ resume: true }), 3);
  session.receive(leases(lease("c")), 3);
  assert.deepEqual(done(session, 3), ["start c"]);
  session.leave(4, 30, 8);
  session.receive(orders({ resume: true }), 5);
  session.receive(leases(lease("d")), 5);

  assert.deepEqual(done(session, 5), []);
});
