/** Messages and sessions with defaults, so that a test states what matters to it. */

import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import {
  type AgentMessage,
  type CoordinatorMessage,
  CoordinatorMessageSchema,
  type Hello,
  HelloSchema,
  type Lease,
  LeaseBatchSchema,
  LeaseSchema,
  MovingSchema,
  OrdersSchema,
  type Report,
  ReportAckSchema,
  SucceededSchema,
  WelcomeSchema,
} from "../../generated/missioncontrol/v1/agent_service_pb.js";
import type { Effect, LeaseKey } from "../../src/session/effect.js";
import type { Outcome } from "../../src/session/outcome.js";
import { Session } from "../../src/session/session.js";

/** Some fields of a message, without its name, so that they can be laid over others. */
type Fields<Schema extends DescMessage> = Omit<MessageInitShape<Schema>, "$typeName">;

export const KIND = "example.digest";

export function duration(seconds: number): Duration {
  const whole = Math.floor(seconds);
  return create(DurationSchema, { seconds: BigInt(whole), nanos: Math.round((seconds - whole) * 1e9) });
}

export function hello(fields: Fields<typeof HelloSchema> = {}): Hello {
  return create(HelloSchema, { agentId: "agent-1", kinds: [KIND], slots: 2, queueLimit: 2, ...fields });
}

export function lease(taskId: string, fields: Fields<typeof LeaseSchema> = {}): Lease {
  return create(LeaseSchema, { taskId, token: 1n, spec: { kind: KIND }, ttl: duration(30), ...fields });
}

export function welcome(fields: Fields<typeof WelcomeSchema> = {}): CoordinatorMessage {
  const value = create(WelcomeSchema, {
    heartbeatInterval: duration(5),
    echoTimeout: duration(12),
    reconnectJitterMax: duration(3),
    ...fields,
  });
  return create(CoordinatorMessageSchema, { content: { case: "welcome", value } });
}

export function leases(...batch: Lease[]): CoordinatorMessage {
  const value = create(LeaseBatchSchema, { number: 1n, leases: batch });
  return create(CoordinatorMessageSchema, { content: { case: "leases", value } });
}

export function orders(fields: Fields<typeof OrdersSchema>): CoordinatorMessage {
  return create(CoordinatorMessageSchema, { content: { case: "orders", value: create(OrdersSchema, fields) } });
}

export function moving(delaySeconds: number): CoordinatorMessage {
  const value = create(MovingSchema, { message: "update", delay: duration(delaySeconds) });
  return create(CoordinatorMessageSchema, { content: { case: "moving", value } });
}

export function ack(number: number, fields: Fields<typeof ReportAckSchema> = {}): CoordinatorMessage {
  const value = create(ReportAckSchema, { number: BigInt(number), ...fields });
  return create(CoordinatorMessageSchema, { content: { case: "reportAck", value } });
}

export function reference(taskId: string, token = 1n) {
  return { taskId, token };
}

export function key(taskId: string, token = 1n): LeaseKey {
  return `${taskId}/${token}`;
}

export const SUCCEEDED: Outcome = { case: "succeeded", value: create(SucceededSchema) };

/** A session that was welcomed, with all that it had to say then taken off. */
export function connected(fields: Fields<typeof HelloSchema> = {}, now = 0): Session {
  const session = new Session(hello(fields));
  session.connect(now);
  session.receive(welcome(), now);
  said(session, now);
  return session;
}

/** A new stream that keeps the leases of these tasks. */
export function reconnected(session: Session, now: number, ...keep: string[]): Hello {
  session.disconnect();
  const { content } = session.connect(now);
  session.receive(welcome({ keep: keep.map((taskId) => reference(taskId)) }), now);
  if (content.case !== "hello") throw new Error("a stream begins with Hello");
  return content.value;
}

/** Everything that the session says now. */
export function said(session: Session, now: number): AgentMessage[] {
  const messages: AgentMessage[] = [];
  for (let next = session.nextMessage(now); next !== undefined; next = session.nextMessage(now)) messages.push(next);
  return messages;
}

/** The kinds of messages that the session says now. */
export function saidKinds(session: Session, now: number): (string | undefined)[] {
  return said(session, now).map(({ content }) => content.case);
}

/** The reports that the session sends now. */
export function reported(session: Session, now: number): Report[] {
  return said(session, now).flatMap(({ content }) => (content.case === "reports" ? content.value.reports : []));
}

/** Reports as text: number, task, event. */
export function lines(reports: Report[]): string[] {
  return reports.map(({ number, taskId, event }) => `${number} ${taskId} ${event.case ?? "nothing"}`);
}

/** Effects as text: what is started, stopped and so on. */
export function done(session: Session, now: number): string[] {
  session.tick(now);
  return session.takeEffects(now).map(asText);
}

function asText(effect: Effect): string {
  if (effect.kind === "start") return `start ${effect.lease.taskId}`;
  if (effect.kind === "stop") return `stop ${effect.key}: ${effect.reason}`;
  return effect.kind === "reconnect" ? `reconnect: ${effect.why}` : effect.kind;
}
