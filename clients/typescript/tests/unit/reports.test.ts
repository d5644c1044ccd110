import assert from "node:assert/strict";
import test from "node:test";
import { create } from "@bufbuild/protobuf";
import { RefusalReason, type Report, SucceededSchema } from "../../generated/missioncontrol/v1/agent_service_pb.js";
import { ProgressSchema } from "../../generated/missioncontrol/v1/task_pb.js";
import type { Outcome } from "../../src/session/outcome.js";
import type { Session } from "../../src/session/session.js";
import { ack, connected, done, key, lease, leases, lines, reconnected, reported, said, SUCCEEDED } from "./builders.js";

/** Tasks that run, and whose start is said. */
function running(...taskIds: string[]): Session {
  const session = connected({ slots: Math.max(1, taskIds.length) });
  session.receive(leases(...taskIds.map((taskId) => lease(taskId))), 0);
  done(session, 0);
  reported(session, 0);
  return session;
}

function refusal(number: bigint, taskId: string, reason: RefusalReason) {
  return { refusals: [{ number, taskId, token: 1n, reason }] };
}

function fractions(reports: Report[]): (number | undefined)[] {
  return reports.map(({ event }) => (event.case === "progress" ? event.value.fraction : undefined));
}

test("a start that was not sent before the work succeeded is not said", () => {
  const session = connected();
  session.receive(leases(lease("a")), 0);
  done(session, 0);

  session.ended(key("a"), SUCCEEDED, 0);

  assert.deepEqual(lines(reported(session, 0)), ["1 a succeeded"]);
});

test("reports that are not acknowledged are sent again after a reconnect, in order, with the same numbers", () => {
  const session = running("a", "b");
  session.ended(key("a"), SUCCEEDED, 1);
  reported(session, 1);
  session.ended(key("b"), SUCCEEDED, 2);
  session.receive(ack(1), 2);

  reconnected(session, 3, "a", "b");

  assert.deepEqual(lines(reported(session, 3)), ["2 b started", "3 a succeeded", "4 b succeeded"]);
});

test("numbers go on rising over streams", () => {
  const session = running("a");
  session.receive(ack(1), 0);
  reconnected(session, 1, "a");

  session.ended(key("a"), SUCCEEDED, 2);

  assert.deepEqual(lines(reported(session, 2)), ["2 a succeeded"]);
});

test("an acknowledgement that an earlier stream lost counts for what this one has not sent yet", () => {
  const session = running("a");
  session.ended(key("a"), SUCCEEDED, 1);
  reported(session, 1);
  reconnected(session, 2, "a");

  session.receive(ack(2), 2);

  assert.deepEqual(reported(session, 2), []);
  assert.deepEqual(reconnected(session, 3).held, []);
});

test("at most 128 reports go into one message", () => {
  const taskIds = Array.from({ length: 200 }, (_, index) => `task-${index}`);
  const session = connected({ slots: 200 });
  session.receive(leases(...taskIds.map((taskId) => lease(taskId))), 0);
  done(session, 0);

  const sizes = said(session, 0).map(({ content }) => (content.case === "reports" ? content.value.reports.length : 0));

  assert.deepEqual(sizes, [128, 72]);
});

test("a message has about 256 KiB at most, and a report that is larger goes alone", () => {
  const large: Outcome = {
    case: "succeeded",
    value: create(SucceededSchema, { output: { data: new Uint8Array(256 * 1024) } }),
  };
  const session = running("a", "b", "c");
  session.ended(key("a"), SUCCEEDED, 1);
  session.ended(key("b"), large, 1);
  session.ended(key("c"), SUCCEEDED, 1);

  const batches = said(session, 1).map(({ content }) =>
    content.case === "reports" ? lines(content.value.reports) : [],
  );

  assert.deepEqual(batches, [["4 a succeeded"], ["5 b succeeded"], ["6 c succeeded"]]);
});

test("a refusal because the lease is stale stops its work, and nothing more is said of it", () => {
  const session = running("a");

  session.receive(ack(1, refusal(1n, "a", RefusalReason.STALE)), 1);

  assert.deepEqual(done(session, 1), ["stop a/1: the lease is not this agent's any more"]);
  session.ended(key("a"), SUCCEEDED, 2);
  assert.deepEqual(reported(session, 2), []);
  assert.deepEqual(reconnected(session, 3).held, []);
});

test("a refusal of a progress lets the lease go on", () => {
  const session = running("a");
  session.progressed(key("a"), create(ProgressSchema, { fraction: 0.5 }));
  reported(session, 1);

  session.receive(ack(2, refusal(2n, "a", RefusalReason.INVALID)), 1);

  assert.deepEqual(done(session, 1), []);
  session.ended(key("a"), SUCCEEDED, 2);
  assert.deepEqual(lines(reported(session, 2)), ["3 a succeeded"]);
});

test("an outcome that makes no sense to the coordinator becomes a failure, then goes back, then is dropped", () => {
  const session = running("a");
  session.ended(key("a"), SUCCEEDED, 1);

  const events = [2n, 3n, 4n].map((number) => {
    const event = reported(session, 1).map((report) => report.event.case);
    session.receive(ack(Number(number), refusal(number, "a", RefusalReason.INVALID)), 1);
    return event;
  });

  assert.deepEqual(events, [["succeeded"], ["failed"], ["returned"]]);
  assert.deepEqual(reconnected(session, 2).held, []);
});

test("of progress the newest goes out, at most once a second, and not before the last one was judged", () => {
  const session = running("a");
  const note = (fraction: number) => {
    session.progressed(key("a"), create(ProgressSchema, { fraction }));
  };

  note(0.1);
  note(0.2);
  assert.deepEqual(fractions(reported(session, 10)), [0.2]);
  note(0.3);
  assert.deepEqual(reported(session, 11), []);
  session.receive(ack(2), 11);
  note(0.4);
  assert.deepEqual(fractions(reported(session, 11)), [0.4]);
  session.receive(ack(3), 11.1);
  note(0.5);
  assert.deepEqual(reported(session, 11.5), []);
  assert.equal(session.nextMessageTime(), 12);
  assert.deepEqual(fractions(reported(session, 12)), [0.5]);
});

test("the last progress goes before the outcome", () => {
  const session = running("a");
  session.progressed(key("a"), create(ProgressSchema, { fraction: 1 }));

  session.ended(key("a"), SUCCEEDED, 5);

  assert.deepEqual(lines(reported(session, 5)), ["2 a progress", "3 a succeeded"]);
});

test("work goes on while there is no stream, and is reported on the next one", () => {
  const session = running("a", "b");
  session.disconnect();

  session.ended(key("a"), SUCCEEDED, 1);

  assert.deepEqual(said(session, 1), []);
  reconnected(session, 2, "a", "b");
  assert.deepEqual(lines(reported(session, 2)), ["1 a started", "2 b started", "3 a succeeded"]);
});
