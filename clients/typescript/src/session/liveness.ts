/** When heartbeats are due, which of them came back, and until when that proves a lease. Knows the set of leases by its version only. */

import { create } from "@bufbuild/protobuf";
import {
  type Heartbeat,
  type HeartbeatEcho,
  HeartbeatSchema,
  type Welcome,
} from "../../generated/missioncontrol/v1/agent_service_pb.js";
import { secondsOf } from "./duration.js";
import {
  ECHO_SECONDS,
  HEARTBEAT_SECONDS,
  HEARTBEATS_PER_TTL,
  RECONNECT_SECONDS,
  UNECHOED_MAX,
  WELCOME_SECONDS,
} from "./limits.js";

interface Sent {
  readonly number: number;
  readonly time: number;
  readonly version: number;
}

/** The heartbeats of one stream after another. What was echoed outlives a stream: leases do, too. */
export class Liveness {
  welcomed = false;
  jitterSeconds = RECONNECT_SECONDS;
  /** When the last heartbeat (or Hello) that the coordinator answered was sent, and the version of the set that it named. */
  echoed: Sent = { number: 0, time: -Infinity, version: -1 };
  #intervalSeconds = HEARTBEAT_SECONDS;
  #echoSeconds = ECHO_SECONDS;
  #number = 0;
  #sentTime = -Infinity;
  #heardTime = Infinity;
  /** The version of the set that was echoed on this stream. */
  #streamVersion = -1;
  #unechoed: Sent[] = [];

  /** A Hello that names this version is sent on a new stream. */
  begin(version: number, now: number): void {
    this.welcomed = false;
    this.#number = 0;
    this.#sentTime = this.#heardTime = now;
    this.#streamVersion = -1;
    this.#unechoed = [{ number: 0, time: now, version }];
  }

  /** The Hello was answered: it counts as the stream's first heartbeat. */
  welcome(welcome: Welcome, now: number): void {
    this.welcomed = true;
    this.#heardTime = now;
    this.#intervalSeconds = secondsOf(welcome.heartbeatInterval) || HEARTBEAT_SECONDS;
    this.#echoSeconds = secondsOf(welcome.echoTimeout) || ECHO_SECONDS;
    this.jitterSeconds = secondsOf(welcome.reconnectJitterMax);
    this.echoed = this.#unechoed.shift() ?? this.echoed;
  }

  /** From when the time to live of a lease runs: from its delivery, or from the last echo that names it. */
  renewedTime(version: number, trustedTime: number): number {
    return version <= this.echoed.version ? Math.max(trustedTime, this.echoed.time) : trustedTime;
  }

  /** When the next heartbeat is due. */
  heartbeatTime(shortestTtl: number): number {
    if (!this.welcomed || this.#unechoed.length >= UNECHOED_MAX) return Infinity;
    return this.#sentTime + Math.min(this.#intervalSeconds, shortestTtl / HEARTBEATS_PER_TTL);
  }

  /** The next heartbeat, sent now. The caller fills in the set where `heldIncluded` says so. */
  heartbeat(version: number, now: number): Heartbeat {
    this.#number += 1;
    this.#sentTime = now;
    this.#unechoed.push({ number: this.#number, time: now, version });
    return create(HeartbeatSchema, {
      number: BigInt(this.#number),
      heldVersion: BigInt(version),
      heldIncluded: version !== this.#streamVersion,
    });
  }

  /** A heartbeat came back. */
  echo(echo: HeartbeatEcho, now: number): void {
    const found = this.#unechoed.find((sent) => BigInt(sent.number) === echo.number);
    this.#unechoed = this.#unechoed.filter((sent) => BigInt(sent.number) > echo.number);
    if (found === undefined || BigInt(found.version) !== echo.heldVersion) return;
    this.#heardTime = now;
    this.#streamVersion = found.version;
    this.echoed = found;
  }

  /** The stream is gone: nothing is due on it. */
  end(): void {
    this.welcomed = false;
    this.#heardTime = Infinity;
  }

  /** When the stream counts as broken, unless something is heard before. */
  get silenceTime(): number {
    return this.#heardTime + (this.welcomed ? this.#echoSeconds : WELCOME_SECONDS);
  }
}
