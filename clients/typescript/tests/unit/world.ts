/** A session and a coordinator with a wire between them that can be cut after any message, in a time of its own. */

import type { AgentMessage, CoordinatorMessage } from "../../generated/missioncontrol/v1/agent_service_pb.js";
import type { LeaseKey } from "../../src/session/effect.js";
import { keyOf } from "../../src/session/effect.js";
import { STOPPED } from "../../src/session/outcome.js";
import { Session } from "../../src/session/session.js";
import { hello, SUCCEEDED } from "./builders.js";
import type { Coordinator } from "./coordinator.js";

const WORK_SECONDS = 1.5;
/** More than this and something waits that never comes. */
const STEPS_MAX = 20_000;

export class World {
  readonly session = new Session(hello({ slots: 3, queueLimit: 2 }));
  /** Messages that arrived, on either side. */
  delivered = 0;
  runningMax = 0;
  #now = 0;
  #toAgent: CoordinatorMessage[] = [];
  #toCoordinator: AgentMessage[] = [];
  #connected = false;
  /** When the work of each lease ends. */
  readonly #running = new Map<LeaseKey, number>();
  readonly #stopped = new Set<LeaseKey>();

  /** `cut` is asked after each message that arrived, with how many that were, whether the stream breaks now. */
  constructor(
    readonly coordinator: Coordinator,
    readonly cut: (delivered: number) => boolean,
  ) {}

  /** Runs until the condition holds. */
  runUntil(condition: () => boolean): void {
    for (let step = 0; !condition(); step++) {
      if (step > STEPS_MAX) throw new Error("it goes on for ever");
      this.#step();
    }
  }

  leave(): void {
    this.session.leave(this.#now, 30, 8);
  }

  #step(): void {
    if (!this.#connected && !this.session.left) this.#connect();
    this.#work();
    this.session.tick(this.#now);
    for (const effect of this.session.takeEffects(this.#now)) {
      if (effect.kind === "start") this.#running.set(keyOf(effect.lease), this.#now + WORK_SECONDS);
      else if (effect.kind === "stop") this.#stopped.add(effect.key);
      else this.#disconnect();
    }
    this.runningMax = Math.max(this.runningMax, this.#running.size);
    if (!this.#deliver()) this.#now += 0.25;
  }

  #connect(): void {
    this.#connected = true;
    this.#toCoordinator = [this.session.connect(this.#now)];
    this.#toAgent = [];
  }

  #disconnect(): void {
    this.#connected = false;
    this.session.disconnect();
    this.#now += 0.5;
  }

  #work(): void {
    for (const [key, endTime] of this.#running) {
      const stopped = this.#stopped.has(key);
      if (!stopped && this.#now < endTime) continue;
      this.#running.delete(key);
      this.session.ended(key, stopped ? STOPPED : SUCCEEDED, this.#now);
    }
  }

  /** One message of either side arrives; whether there was one. */
  #deliver(): boolean {
    if (!this.#connected) return false;
    for (
      let next = this.session.nextMessage(this.#now);
      next !== undefined;
      next = this.session.nextMessage(this.#now)
    ) {
      this.#toCoordinator.push(next);
    }
    const [sent, received] = [this.#toCoordinator.shift(), this.#toAgent.shift()];
    if (sent !== undefined) this.#toAgent.push(...this.coordinator.receive(sent));
    if (received !== undefined) this.session.receive(received, this.#now);
    if (sent === undefined && received === undefined) return false;
    this.delivered += 1;
    if (this.cut(this.delivered)) this.#disconnect();
    return true;
  }
}
