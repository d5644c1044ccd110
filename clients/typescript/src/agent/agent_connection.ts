/** The session on the network: one stream after another. Whatever touches the session does so from here, in `turn`, which never waits. */

import { createClient } from "@connectrpc/connect";
import {
  type AgentMessage,
  AgentService,
  type CoordinatorMessage,
} from "../../generated/missioncontrol/v1/agent_service_pb.js";
import type { Progress } from "../../generated/missioncontrol/v1/task_pb.js";
import { AddressRing } from "../address.js";
import { CallError } from "../call_error.js";
import { Connection, type TlsOptions } from "../connection.js";
import { pause } from "../pause.js";
import type { Effect, LeaseKey } from "../session/effect.js";
import { RECONNECT_SECONDS, RECONNECT_SECONDS_MAX } from "../session/limits.js";
import type { Outcome } from "../session/outcome.js";
import type { Session } from "../session/session.js";
import { Alarm } from "./alarm.js";
import type { Handler } from "./handler.js";
import { Outbox } from "./outbox.js";
import { verdict } from "./stream_end.js";
import { type Listener, Workers } from "./workers.js";

type Reconnect = Pick<Extract<Effect, { kind: "reconnect" }>, "delaySeconds" | "elsewhere">;

/** What an agent's connection needs to know besides the session. */
export interface AgentConnectionOptions {
  readonly agentId: string;
  readonly addresses: string | readonly string[];
  readonly tls: TlsOptions | undefined;
  readonly handlers: ReadonlyMap<string, Handler>;
  readonly log: (line: string) => void;
}

/** Keeps the session connected until the agent has left, or must end. */
export class AgentConnection implements Listener {
  readonly #session: Session;
  readonly #options: AgentConnectionOptions;
  readonly #ring: AddressRing;
  readonly #workers: Workers;
  readonly #alarm = new Alarm(() => {
    this.#turn();
  });
  readonly #over = new AbortController();
  #stream: { readonly outbox: Outbox<AgentMessage>; readonly end: AbortController } | undefined;
  #reconnect: Reconnect = { delaySeconds: 0, elsewhere: true };
  #attempts = 0;
  #turnsDue = 0;
  #failure: Error | undefined;

  constructor(session: Session, options: AgentConnectionOptions) {
    this.#session = session;
    this.#options = options;
    this.#ring = new AddressRing(options.addresses, Math.random());
    this.#workers = new Workers(options.handlers, this);
  }

  /** Connects again and again, until the session has left. Rejects if the agent must not go on. */
  async run(): Promise<void> {
    while (!this.#over.signal.aborted) {
      await this.#oneStream(this.#ring.current);
      await this.#between();
    }
    this.#alarm.clear();
    this.#workers.stopAll();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Starts the agent's own drain, or shortens it. */
  leave(drainSeconds: number, leaveSeconds: number): void {
    this.#session.leave(clock(), drainSeconds, leaveSeconds);
    this.#turn();
  }

  progressed(key: LeaseKey, progress: Progress): void {
    this.#session.progressed(key, progress);
    this.#turn();
  }

  ended(key: LeaseKey, outcome: Outcome): void {
    this.#session.ended(key, outcome, clock());
    this.#turn();
  }

  // --- The stream

  /** One stream, from its Hello to its end. */
  async #oneStream(address: string): Promise<void> {
    const connection = new Connection(address, this.#options.tls);
    const end = new AbortController();
    const hello = this.#session.connect(clock());
    const outbox = new Outbox(hello, () => this.#session.nextMessage(clock()), isLast, end.signal);
    this.#stream = { outbox, end };
    this.#reconnect = { delaySeconds: 0, elsewhere: true };
    this.#turn();
    try {
      const calls = createClient(AgentService, connection.transport);
      for await (const message of calls.connect(outbox.messages(), { signal: end.signal })) {
        if (end.signal.aborted) break; // what was under way when the stream was given up
        this.#received(message, address);
      }
    } catch (thrown) {
      this.#broken(CallError.from(thrown), address, end.signal.aborted);
    }
    this.#stream = undefined;
    end.abort();
    connection.close();
    this.#session.disconnect();
    this.#turn();
  }

  #received(message: CoordinatorMessage, address: string): void {
    this.#session.receive(message, clock());
    if (message.content.case === "welcome") {
      this.#attempts = 0;
      this.#ring.learn(message.content.value.coordinators);
      this.#log(`is connected to ${message.content.value.coordinatorId} (${address})`);
    }
    this.#turn();
  }

  #broken(error: CallError, address: string, asked: boolean): void {
    if (asked) return;
    const fatal = verdict(error, this.#options.agentId, this.#session.connected);
    if (fatal !== undefined) this.#fail(fatal);
    // A coordinator that stays away is said thrice, not for hours.
    else if (this.#attempts < 3) this.#log(`lost the stream to ${address}: ${error.message}`);
  }

  /** Between two streams: the time that the coordinator named, and a random one, so that a fleet does not come at once. */
  async #between(): Promise<void> {
    if (this.#session.left) this.#over.abort();
    if (this.#over.signal.aborted) return;
    if (this.#reconnect.elsewhere) this.#ring.advance();
    this.#attempts += 1;
    const seconds = this.#reconnect.delaySeconds + Math.random() * this.#longestWait();
    await pause(seconds, this.#over.signal);
  }

  #longestWait(): number {
    const jitter = this.#session.jitterSeconds;
    if (this.#attempts === 1) return jitter;
    // Where leases are short the jitter is, too, and long waits would cost them.
    const most = Math.min(RECONNECT_SECONDS_MAX, Math.max(2 * jitter, RECONNECT_SECONDS_MAX / 3));
    return Math.min(RECONNECT_SECONDS * 2 ** Math.min(this.#attempts, 16), most);
  }

  // --- The session

  /** Does what follows from what has just happened. Work that is told to stop may report at once: that waits for its turn. */
  #turn(): void {
    this.#turnsDue += 1;
    if (this.#turnsDue > 1) return;
    try {
      for (let done = 0; done < this.#turnsDue; done++) this.#oneTurn(clock());
    } catch (error) {
      // Nothing above would see it: this is a callback.
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
    this.#turnsDue = 0;
  }

  #oneTurn(now: number): void {
    this.#session.tick(now);
    for (const effect of this.#session.takeEffects(now)) this.#carryOut(effect);
    this.#stream?.outbox.wake();
    // After the end work may still end, too; nothing is due then.
    if (!this.#over.signal.aborted) this.#alarm.set(this.#dueTime() - now);
  }

  #dueTime(): number {
    const sending = this.#stream?.outbox.waiting === true ? this.#session.nextMessageTime() : Infinity;
    return Math.min(this.#session.nextTime(), sending);
  }

  #carryOut(effect: Effect): void {
    if (effect.kind === "start") this.#workers.start(effect.lease);
    else if (effect.kind === "stop") this.#workers.stop(effect.key, effect.reason);
    else if (effect.kind === "reconnect") {
      this.#log(`connects again: ${effect.why}`);
      this.#reconnect = effect;
      this.#stream?.end.abort();
    } else this.#end();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#end();
  }

  #end(): void {
    this.#over.abort();
    this.#stream?.end.abort();
  }

  #log(what: string): void {
    this.#options.log(`agent ${this.#options.agentId} ${what}`);
  }
}

function isLast(message: AgentMessage): boolean {
  return message.content.case === "goodbye";
}

/** Monotonic seconds. */
function clock(): number {
  return performance.now() / 1000;
}
