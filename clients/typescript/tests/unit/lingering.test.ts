import assert from "node:assert/strict";
import test from "node:test";
import { STOPPED } from "../../src/session/outcome.js";
import type { Session } from "../../src/session/session.js";
import { connected, done, key, lease, leases, lines, orders, reconnected, reference, reported } from "./builders.js";

const TELLS = "reconnect: work whose lease is gone does not stop, or has stopped at last";

/** "a" was dropped at 1 s, and does not stop. */
function lingering(slots: number): Session {
  const session = connected({ slots, resources: { gpu: 2 } });
  session.receive(leases(lease("a", { spec: { kind: "example.digest", requirements: { resources: { gpu: 1 } } } })), 0);
  done(session, 0);
  reported(session, 0);
  session.receive(orders({ drop: [reference("a")] }), 1);
  done(session, 1);
  return session;
}

test("work that does not stop is told after a while, as slots and resources that are not there", () => {
  const session = lingering(2);

  assert.equal(session.nextTime(), 7);
  assert.deepEqual(done(session, 6.9), []);
  assert.deepEqual(done(session, 7), [TELLS]);
  const hello = reconnected(session, 8);

  assert.deepEqual([hello.slots, hello.draining, hello.resources], [1, false, { gpu: 1 }]);
  assert.deepEqual(done(session, 8), []);
});

test("if it has all slots, the agent takes no work", () => {
  const session = lingering(1);
  done(session, 7);

  const hello = reconnected(session, 8);

  assert.deepEqual([hello.slots, hello.draining], [1, true]);
});

test("when it has ended at last, the agent offers all its slots again", () => {
  const session = lingering(2);
  done(session, 7);
  reconnected(session, 8);

  session.ended(key("a"), STOPPED, 9);

  assert.deepEqual(done(session, 9), [TELLS]);
  assert.equal(reconnected(session, 10).slots, 2);
});

test("a new lease of a task whose old work was told to linger is rejected", () => {
  const session = lingering(2);
  done(session, 7);
  reconnected(session, 8);

  session.receive(leases(lease("a", { token: 2n })), 9);

  assert.deepEqual(done(session, 9), []);
  assert.deepEqual(lines(reported(session, 9)), ["1 a started", "2 a rejected"]);
});

test("a new lease of a task whose old work is still stopping waits for its end", () => {
  const session = lingering(2);
  session.receive(leases(lease("a", { token: 2n })), 2);
  assert.deepEqual(done(session, 2), []);

  session.ended(key("a"), STOPPED, 3);

  assert.deepEqual(done(session, 3), ["start a"]);
});

test("what waits for the slots that are not there is given back", () => {
  const session = lingering(1);
  session.receive(leases(lease("b"), lease("c")), 2);
  done(session, 7);

  reconnected(session, 8, "b", "c");

  assert.deepEqual(lines(reported(session, 8)), ["1 a started", "2 c returned", "3 b returned"]);
});
