/**
 * The agent's half of the conversation that agent_service.proto specifies, as a pure state machine.
 *
 * What comes in: messages of the coordinator, happenings in the agent, and the time (monotonic seconds). What comes out: messages to send
 * (`nextMessage`), and effects (`takeEffects`). No I/O, no clock, no randomness.
 */

import { clone, create } from "@bufbuild/protobuf";
import {
  type AgentMessage,
  AgentMessageSchema,
  type CoordinatorMessage,
  DrainMode,
  type DrainOrder,
  DrainNoticeSchema,
  GoodbyeSchema,
  type Hello,
  HelloSchema,
  type LeaseBatch,
  LeaseReceiptSchema,
  type Orders,
  ReportBatchSchema,
  type Welcome,
} from "../../generated/missioncontrol/v1/agent_service_pb.js";
import type { Progress } from "../../generated/missioncontrol/v1/task_pb.js";
import { Drain, type Standing } from "./drain.js";
import { secondsOf } from "./duration.js";
import { type Effect, keyOf, type LeaseKey, StopReason } from "./effect.js";
import { LeaseWork } from "./lease_work.js";
import { SELF_STOP_PART, UNCONFIRMED_PART } from "./limits.js";
import { Liveness } from "./liveness.js";
import type { Outcome } from "./outcome.js";
import { Receipts } from "./receipts.js";

/**
 * One incarnation of an agent, over any number of streams. `hello` says who the agent is; the session fills in what it holds.
 *
 * The owner calls `connect` for each stream, `receive` for each message, the happenings as they occur, and after any of them `tick`, and
 * `takeEffects` and `nextMessage` until both are empty; and again at `nextTime` and `nextMessageTime`, if nothing happens before.
 */
export class Session {
  readonly #hello: Hello;
  readonly #work: LeaseWork;
  readonly #liveness = new Liveness();
  readonly #drain = new Drain();
  #receipts = new Receipts();
  #helloHeld: ReadonlySet<LeaseKey> = new Set();
  #selfStopTime = Infinity;

  constructor(hello: Hello) {
    this.#hello = hello;
    this.#work = new LeaseWork(hello);
  }

  // --- The stream

  /** A new stream is open: the Hello to send on it. What was under way on an earlier stream will be sent again. */
  connect(now: number): AgentMessage {
    const { leases, reports, lingering } = this.#work;
    reports.rewind();
    this.#receipts = new Receipts();
    const hello = clone(HelloSchema, this.#hello);
    hello.held = leases.references();
    hello.heldVersion = BigInt(leases.version);
    hello.draining = this.#drain.own;
    this.#helloHeld = new Set(hello.held.map(keyOf));
    this.#liveness.begin(leases.version, now);
    this.#work.giveBackSurplus(lingering.tell(hello, now));
    return says({ case: "hello", value: hello });
  }

  /** The stream is gone. Work goes on until its leases run out. */
  disconnect(): void {
    this.#liveness.end();
  }

  /** Whether the current stream was welcomed. */
  get connected(): boolean {
    return this.#liveness.welcomed;
  }

  /** Whether the agent has left: no further stream is needed. */
  get left(): boolean {
    return this.#drain.left;
  }

  /** The random wait between two streams is at most so long. */
  get jitterSeconds(): number {
    return this.#liveness.jitterSeconds;
  }

  /** Takes in a message of the current stream. Members that are not known are ignored, as the contract says. */
  receive({ content }: CoordinatorMessage, now: number): void {
    // A stream that was silent for too long counts as broken, and `tick` says so. What comes all the same may have waited in the socket
    // for as long as this process was stopped: a lease of it is not new, an echo no proof that anybody is there.
    if (now >= this.#liveness.silenceTime) return;
    if (content.case === "welcome") this.#welcomed(content.value, now);
    else if (content.case === "heartbeatEcho") this.#liveness.echo(content.value, now);
    else if (content.case === "leases") this.#leased(content.value, now);
    else if (content.case === "reportAck") this.#work.acknowledged(content.value, now);
    else if (content.case === "orders") this.#ordered(content.value, now);
    else if (content.case === "moving") {
      this.#reconnect(`the coordinator said: ${content.value.message}`, true, secondsOf(content.value.delay));
    }
  }

  /** The next message to send; undefined if there is none now. Heartbeats first: a backlog must not delay them. */
  nextMessage(now: number): AgentMessage | undefined {
    if (!this.connected) return undefined;
    const { leases, reports, progressNotes } = this.#work;
    if (now >= this.#liveness.heartbeatTime(leases.shortestTtl)) return this.#heartbeat(now);
    if (this.#drain.noticeDue) {
      this.#drain.noticeDue = false;
      return says({ case: "drainNotice", value: create(DrainNoticeSchema) });
    }
    progressNotes.flush(now);
    const batch = reports.nextBatch();
    if (batch.length > 0) {
      const value = create(ReportBatchSchema, { reports: batch, leaseBatch: this.#receipts.take() });
      return says({ case: "reports", value });
    }
    if (now >= this.#receipts.dueTime) {
      return says({ case: "leaseReceipt", value: create(LeaseReceiptSchema, { number: this.#receipts.take() }) });
    }
    const goodbye = this.#drain.goodbye(this.#standing, now);
    return goodbye === undefined
      ? undefined
      : says({ case: "goodbye", value: create(GoodbyeSchema, { message: goodbye }) });
  }

  #heartbeat(now: number): AgentMessage {
    const heartbeat = this.#liveness.heartbeat(this.#work.leases.version, now);
    if (heartbeat.heldIncluded) heartbeat.held = this.#work.leases.references();
    return says({ case: "heartbeat", value: heartbeat });
  }

  /** What to do now, in order; each effect is given once. */
  takeEffects(now: number): Effect[] {
    if (!this.#drain.closed) this.#work.start(now);
    if (this.#drain.leaves(this.#standing, now)) this.#work.effects.push({ kind: "leave" });
    return this.#work.effects.splice(0);
  }

  get #standing(): Standing {
    return { idle: this.#work.idle, connected: this.connected };
  }

  // --- Time

  /** Does what is due by the time alone. */
  tick(now: number): void {
    if (now >= this.#liveness.silenceTime) {
      this.disconnect();
      this.#reconnect("no answer of the coordinator in time", true);
    }
    if (now >= this.#selfStopTime) {
      this.#selfStopTime = this.#work.stopUnrenewed(
        now,
        ({ version, trustedTime, ttlSeconds }) =>
          this.#liveness.renewedTime(version, trustedTime) + ttlSeconds * SELF_STOP_PART,
      );
    }
    this.#work.stopOverdue(now);
    if (this.#drain.timeIsUp(now)) this.#work.stopAll(StopReason.DRAIN);
    if (this.#tellsOfLingering && this.#work.lingering.changed(now)) {
      this.disconnect();
      this.#reconnect("work whose lease is gone does not stop, or has stopped at last", false);
    }
  }

  /** When `tick` and `takeEffects` have something to do again, if nothing happens before; at the latest. */
  nextTime(): number {
    return Math.min(
      this.#liveness.silenceTime,
      this.#selfStopTime,
      this.#work.overdueTime,
      this.#drain.nextTime,
      this.#tellsOfLingering ? this.#work.lingering.dueTime : Infinity,
      this.connected ? Infinity : this.#drain.leaveTime,
    );
  }

  /**
   * When `nextMessage` has something to say by the time alone. Apart from `nextTime`, since an owner that cannot send just now must not be
   * woken for it again and again.
   */
  nextMessageTime(): number {
    if (!this.connected) return Infinity;
    return Math.min(
      this.#liveness.heartbeatTime(this.#work.leases.shortestTtl),
      this.#receipts.dueTime,
      this.#work.progressNotes.dueTime,
      this.#drain.leaveTime,
    );
  }

  get #tellsOfLingering(): boolean {
    return this.connected && !this.#drain.own;
  }

  // --- Happenings in the agent

  /** The work of a lease has ended, in whatever way. Its slot is free. */
  ended(key: LeaseKey, outcome: Outcome, now: number): void {
    this.#work.ended(key, outcome, now);
  }

  /** The work got further. Only the newest is sent, at most once a second. */
  progressed(key: LeaseKey, progress: Progress): void {
    this.#work.progressed(key, progress);
  }

  /**
   * The agent is to end: no more work, what runs may finish within `drainSeconds`, then stops within `leaveSeconds`. A second call with a
   * shorter time shortens it.
   */
  leave(now: number, drainSeconds: number, leaveSeconds: number): void {
    this.#drain.leaveWithin(now, drainSeconds, leaveSeconds);
    this.#work.giveBackWaiting();
    this.tick(now);
  }

  // --- Messages of the coordinator

  #welcomed(welcome: Welcome, now: number): void {
    this.#liveness.welcome(welcome, now);
    this.#drain.noticeDue = this.#drain.own;
    const keep = new Set(welcome.keep.map(keyOf));
    for (const key of this.#helloHeld) {
      if (!keep.has(key)) this.#work.drop(key, now);
    }
    if (welcome.orders !== undefined) this.#ordered(welcome.orders, now);
  }

  #leased(batch: LeaseBatch, now: number): void {
    this.#receipts.arrived(batch.number, now);
    for (const lease of batch.leases) {
      if (this.#work.leases.get(keyOf(lease)) !== undefined) continue;
      const ttl = secondsOf(lease.ttl);
      const trusted = Math.max(this.#liveness.echoed.time, now - ttl * UNCONFIRMED_PART);
      this.#work.take(lease, trusted, this.#drain.closed);
      this.#selfStopTime = Math.min(this.#selfStopTime, trusted + ttl * SELF_STOP_PART);
    }
  }

  #ordered(orders: Orders, now: number): void {
    for (const each of orders.drop) this.#work.drop(keyOf(each), now);
    this.#work.cancel(orders.cancel);
    this.#work.recall(orders.recall);
    if (orders.resume) this.#drain.resume();
    else if (orders.drain !== undefined) this.#drainOrdered(orders.drain, now);
  }

  #drainOrdered(order: DrainOrder, now: number): void {
    const limit = order.timeLimit === undefined ? Infinity : secondsOf(order.timeLimit);
    this.#drain.order(now, order.mode === DrainMode.RETURN ? 0 : limit);
    this.#work.giveBackWaiting();
    this.tick(now);
  }

  #reconnect(why: string, elsewhere: boolean, delaySeconds = 0): void {
    this.#work.effects.push({ kind: "reconnect", why, delaySeconds, elsewhere });
  }
}

function says(content: AgentMessage["content"]): AgentMessage {
  return create(AgentMessageSchema, { content });
}
