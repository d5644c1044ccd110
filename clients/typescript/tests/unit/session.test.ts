import assert from "node:assert/strict";
import test from "node:test";
import { Session } from "../../src/session/session.js";
import {
  ack,
  connected,
  done,
  hello,
  key,
  lease,
  leases,
  lines,
  reconnected,
  reference,
  reported,
  said,
  saidKinds,
  SUCCEEDED,
  welcome,
} from "./builders.js";

test("nothing is said before Welcome but Hello", () => {
  const session = new Session(hello());

  const first = session.connect(0);

  assert.equal(first.content.case, "hello");
  assert.deepEqual(saidKinds(session, 9), []);
});

test("leases are started up to the slots, the others wait in their order", () => {
  const session = connected({ slots: 2, queueLimit: 2 });
  session.receive(leases(lease("a"), lease("b"), lease("c")), 1);

  assert.deepEqual(done(session, 1), ["start a", "start b"]);
  session.ended(key("a"), SUCCEEDED, 2);
  assert.deepEqual(done(session, 2), ["start c"]);
});

test("a lease beyond slots and queue limit, and one of an unknown kind, is rejected", () => {
  const session = connected({ slots: 1, queueLimit: 0 });
  session.receive(leases(lease("a"), lease("b"), lease("c", { spec: { kind: "other" } })), 1);

  assert.deepEqual(done(session, 1), ["start a"]);
  assert.deepEqual(lines(reported(session, 1)), ["1 b rejected", "2 c rejected", "3 a started"]);
});

test("Hello names every lease whose last report is not acknowledged", () => {
  const session = connected();
  session.receive(leases(lease("a"), lease("b"), lease("c")), 1);
  done(session, 1);
  session.ended(key("a"), SUCCEEDED, 2);
  said(session, 2);

  const held = reconnected(session, 3, "a", "b", "c").held.map(({ taskId }) => taskId);

  assert.deepEqual(held, ["a", "b", "c"]);
});

test("what Welcome does not keep is stopped, and its slot is taken until it has ended", () => {
  const session = connected({ slots: 1, queueLimit: 0 });
  session.receive(leases(lease("a")), 1);
  done(session, 1);

  reconnected(session, 2);

  assert.deepEqual(done(session, 2), ["stop a/1: the lease is not this agent's any more"]);
  session.receive(leases(lease("b")), 3);
  assert.deepEqual(done(session, 3), []);
  session.ended(key("a"), SUCCEEDED, 4);
  assert.deepEqual(done(session, 4), ["start b"]);
  assert.deepEqual(lines(reported(session, 4)), ["1 a started", "2 b started"]);
});

test("a lease that comes twice is one lease", () => {
  const session = connected();
  session.receive(leases(lease("a")), 1);
  session.receive(leases(lease("a")), 1);

  assert.deepEqual(done(session, 1), ["start a"]);
  assert.equal(reconnected(session, 2, "a").heldVersion, 1n);
});

test("a receipt waits for a moment, and is said with the reports if there are some", () => {
  const session = connected();
  session.receive(leases(lease("a")), 1);
  done(session, 1);

  const [first, ...more] = said(session, 1);

  assert.deepEqual(more, []);
  assert.equal(first?.content.case === "reports" && first.content.value.leaseBatch, 1n);
});

test("a receipt that no report says goes by itself", () => {
  const session = connected({ slots: 0, queueLimit: 1 });
  session.receive(leases(lease("a")), 2);

  assert.deepEqual(saidKinds(session, 2), []);
  assert.equal(session.nextMessageTime(), 2.02);
  assert.deepEqual(saidKinds(session, 2.02), ["leaseReceipt"]);
});

test("receipts count the batches of one stream", () => {
  const session = connected();
  session.receive(leases(lease("a")), 1);
  saidKinds(session, 1.1);
  reconnected(session, 2, "a");

  session.receive(leases(lease("b")), 3);

  assert.deepEqual(saidKinds(session, 3.1), ["leaseReceipt"]);
});

test("an agent that was acknowledged everything holds nothing", () => {
  const session = connected();
  session.receive(leases(lease("a")), 1);
  done(session, 1);
  session.ended(key("a"), SUCCEEDED, 2);
  reported(session, 2);
  session.receive(ack(1), 2);

  assert.deepEqual(reconnected(session, 3).held, []);
});

test("a message that waited in the socket while the process was stopped is not trusted", () => {
  const session = connected();

  session.receive(leases(lease("a")), 100);

  assert.deepEqual(done(session, 100), ["reconnect: no answer of the coordinator in time"]);
});

test("orders that were given while the agent was away come with Welcome", () => {
  const session = connected();
  session.receive(leases(lease("a")), 1);
  done(session, 1);
  session.disconnect();
  session.connect(2);

  session.receive(welcome({ keep: [reference("a")], orders: { cancel: [reference("a")] } }), 2);

  assert.deepEqual(done(session, 2), ["stop a/1: the task was cancelled"]);
});
