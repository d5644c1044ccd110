import assert from "node:assert/strict";
import test from "node:test";
import { FailureReason } from "../../generated/missioncontrol/v1/task_pb.js";
import { STOPPED } from "../../src/session/outcome.js";
import type { Session } from "../../src/session/session.js";
import {
  connected,
  done,
  duration,
  key,
  lease,
  leases,
  lines,
  moving,
  orders,
  reconnected,
  reference,
  reported,
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

test("a cancel stops the work, which is then reported as cancelled", () => {
  const session = oneOfTwo();

  session.receive(orders({ cancel: [reference("a")] }), 1);

  assert.deepEqual(done(session, 1), ["stop a/1: the task was cancelled"]);
  session.ended(key("a"), STOPPED, 2);
  assert.deepEqual(lines(reported(session, 2)), ["2 a cancelled"]);
});

test("a success that was under way wins over a cancel", () => {
  const session = oneOfTwo();
  session.receive(orders({ cancel: [reference("a")] }), 1);

  session.ended(key("a"), SUCCEEDED, 2);

  assert.deepEqual(lines(reported(session, 2)), ["2 a succeeded"]);
});

test("a cancel of what has not started is reported at once", () => {
  const session = oneOfTwo();

  session.receive(orders({ cancel: [reference("b")] }), 1);

  assert.deepEqual(done(session, 1), []);
  assert.deepEqual(lines(reported(session, 1)), ["2 b cancelled"]);
});

test("orders may come again, and may name what is gone", () => {
  const session = oneOfTwo();
  const order = orders({
    cancel: [reference("a"), reference("gone")],
    drop: [reference("gone")],
    recall: [reference("gone")],
  });
  session.receive(order, 1);
  session.ended(key("a"), STOPPED, 2);
  done(session, 2);

  session.receive(order, 3);

  assert.deepEqual(lines(reported(session, 3)), ["2 a cancelled", "3 b started"]);
});

test("what has not started is returned when it is recalled, what has started is not", () => {
  const session = oneOfTwo();

  session.receive(orders({ recall: [reference("a"), reference("b")] }), 1);

  assert.deepEqual(done(session, 1), []);
  assert.deepEqual(lines(reported(session, 1)), ["2 b returned"]);
});

test("what is dropped is stopped, and nothing is said of it", () => {
  const session = oneOfTwo();

  session.receive(orders({ drop: [reference("a"), reference("b")] }), 1);

  assert.deepEqual(done(session, 1), ["stop a/1: the lease is not this agent's any more"]);
  session.ended(key("a"), STOPPED, 2);
  assert.deepEqual(reported(session, 2), []);
  assert.deepEqual(reconnected(session, 3).held, []);
});

test("another token of a task is another lease", () => {
  const session = oneOfTwo();

  session.receive(orders({ cancel: [reference("a", 2n)], drop: [reference("b", 7n)] }), 1);

  assert.deepEqual(done(session, 1), []);
  assert.deepEqual(reported(session, 1), []);
});

test("the time limit for running ends the work with TIMEOUT, also if it succeeds after that", () => {
  const session = connected();
  session.receive(leases(lease("a", { runTimeLimit: duration(2) })), 0);
  done(session, 0);

  assert.equal(session.nextTime(), 2);
  assert.deepEqual(done(session, 2), ["stop a/1: the time limit for running was exceeded"]);
  session.ended(key("a"), SUCCEEDED, 3);

  const [report] = reported(session, 3);
  assert.equal(report?.event.case === "failed" && report.event.value.failure?.reason, FailureReason.TIMEOUT);
});

test("Moving drops the stream, and names the time to wait", () => {
  const session = connected();
  session.receive(moving(1.5), 1);

  const effects = session.takeEffects(1);

  assert.deepEqual(effects, [
    { kind: "reconnect", why: "the coordinator said: update", delaySeconds: 1.5, elsewhere: true },
  ]);
});
