/** An agent: it connects, takes work, runs it with handlers, and reports, until it is told to leave. */

import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { create } from "@bufbuild/protobuf";
import { type Hello, HelloSchema } from "../../generated/missioncontrol/v1/agent_service_pb.js";
import { DEFAULT_ADDRESS } from "../address.js";
import type { TlsOptions } from "../connection.js";
import { DRAIN_SECONDS, LEAVE_SECONDS, PROTOCOL_VERSION } from "../session/limits.js";
import { Session } from "../session/session.js";
import { AgentConnection } from "./agent_connection.js";
import type { Handler } from "./handler.js";

/** Who the agent is, and what it can do. */
export interface AgentOptions {
  /** What runs each kind of task. */
  readonly handlers: Readonly<Record<string, Handler>>;
  /** "host:port", or several, also separated by commas. Left out: 127.0.0.1:7070. */
  readonly addresses?: string | readonly string[];
  /** Unique in the namespace, the same over restarts. Left out: the host's name. */
  readonly agentId?: string;
  readonly namespace?: string;
  /** Tasks at once. Left out: 1. */
  readonly slots?: number;
  /** Leases that it holds beyond its slots. Left out: none. */
  readonly queueLimit?: number;
  readonly capabilities?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  /** The queues that it takes work from. Left out: all. */
  readonly queues?: readonly string[];
  /** What it has for tasks, by name. */
  readonly resources?: Readonly<Record<string, number>>;
  /** With it, TLS is spoken and nothing else. */
  readonly tls?: TlsOptions;
  /** Is told, for people, when the agent connects, and why it lost a stream. Left out: nobody. */
  readonly log?: (line: string) => void;
}

/** One process of an agent: an Agent runs once. */
export class Agent {
  readonly #connection: AgentConnection;

  constructor(options: AgentOptions) {
    const agentId = options.agentId ?? hostname();
    this.#connection = new AgentConnection(new Session(helloOf(options, agentId)), {
      agentId,
      addresses: options.addresses ?? DEFAULT_ADDRESS,
      tls: options.tls,
      handlers: new Map(Object.entries(options.handlers)),
      log: options.log ?? (() => undefined),
    });
  }

  /** Works until `leave` has done its part. Rejects with AgentSuperseded or AgentRefused if this process must not go on. */
  run(): Promise<void> {
    return this.#connection.run();
  }

  /**
   * Takes no more work, returns what has not started, lets the rest finish within `drainSeconds`, then stops and returns it, and says goodbye.
   * A second call with a shorter time shortens it.
   */
  leave(drainSeconds = DRAIN_SECONDS): void {
    this.#connection.leave(drainSeconds, LEAVE_SECONDS);
  }
}

function helloOf(options: AgentOptions, agentId: string): Hello {
  return create(HelloSchema, {
    protocolVersionMin: PROTOCOL_VERSION,
    protocolVersionMax: PROTOCOL_VERSION,
    namespace: options.namespace ?? "default",
    agentId,
    incarnation: randomUUID(),
    labels: { ...options.labels },
    capabilities: [...(options.capabilities ?? [])],
    kinds: Object.keys(options.handlers),
    queues: [...(options.queues ?? [])],
    slots: options.slots ?? 1,
    queueLimit: options.queueLimit ?? 0,
    resources: { ...options.resources },
    sdk: "missioncontrol-typescript/0.1.0",
    host: hostname(),
  });
}
