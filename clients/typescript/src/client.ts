/** For whoever submits work, waits for it, or looks at the fleet. */

import { randomUUID } from "node:crypto";
import { type MessageInitShape } from "@bufbuild/protobuf";
import { type Client as CallsOf, createClient } from "@connectrpc/connect";
import { AgentService } from "../generated/missioncontrol/v1/agent_service_pb.js";
import { EventService } from "../generated/missioncontrol/v1/event_service_pb.js";
import { QueueService } from "../generated/missioncontrol/v1/queue_service_pb.js";
import { ScheduleService } from "../generated/missioncontrol/v1/schedule_service_pb.js";
import { RoutingService } from "../generated/missioncontrol/v1/routing_service_pb.js";
import { type Task, type TaskSpecSchema, TaskState } from "../generated/missioncontrol/v1/task_pb.js";
import { TaskService } from "../generated/missioncontrol/v1/task_service_pb.js";
import { DEFAULT_ADDRESS } from "./address.js";
import type { TlsOptions } from "./connection.js";
import { type FeedBatch, type FeedOptions, followFeed } from "./feed.js";
import { FleetTransport } from "./fleet_transport.js";
import { encodePayload } from "./payload.js";
import { reopened } from "./reopened_stream.js";

/** Where the coordinators are, and for whom the client speaks. */
export interface ClientOptions {
  /** "host:port", or several, also separated by commas. Left out: 127.0.0.1:7070. */
  readonly addresses?: string | readonly string[];
  /** The namespace of everything that names none. Left out: "default". */
  readonly namespace?: string;
  /** With it, TLS is spoken and nothing else. */
  readonly tls?: TlsOptions;
  /** The deadline of a unary call with all its retries. Left out: 30. */
  readonly callSeconds?: number;
}

/** What to do: the fields of a TaskSpec, where the payload may be any value (see encodePayload). */
export type Work = Omit<MessageInitShape<typeof TaskSpecSchema>, "payload" | "$typeName"> & {
  readonly payload?: unknown;
};

/** Connects when it is first used. Its methods throw a CallError. */
export class Client {
  /** All calls of the services as the contract has them, with the client's deadlines and retries. */
  readonly tasks: CallsOf<typeof TaskService>;
  readonly queues: CallsOf<typeof QueueService>;
  readonly events: CallsOf<typeof EventService>;
  readonly agents: CallsOf<typeof AgentService>;
  readonly schedules: CallsOf<typeof ScheduleService>;
  readonly routing: CallsOf<typeof RoutingService>;
  readonly namespace: string;
  readonly #transport: FleetTransport;

  constructor(options: ClientOptions = {}) {
    this.#transport = new FleetTransport(options.addresses ?? DEFAULT_ADDRESS, options.tls, options.callSeconds);
    this.namespace = options.namespace ?? "default";
    this.tasks = createClient(TaskService, this.#transport);
    this.queues = createClient(QueueService, this.#transport);
    this.events = createClient(EventService, this.#transport);
    this.agents = createClient(AgentService, this.#transport);
    this.schedules = createClient(ScheduleService, this.#transport);
    this.routing = createClient(RoutingService, this.#transport);
  }

  /**
   * Submits one task and returns it as accepted. Retries of the call make one task only, since all say the same request id. To repeat
   * `submit` itself after an error, bring an id of your own.
   */
  async submit(work: Work, requestId: string = randomUUID()): Promise<Task> {
    const spec = { namespace: this.namespace, ...work, payload: encodePayload(work.payload) };
    const { task } = await this.tasks.createTask({ spec, requestId });
    return present(task);
  }

  /** Reads one task whole. */
  async get(taskId: string): Promise<Task> {
    return present((await this.tasks.getTask({ namespace: this.namespace, taskId })).task);
  }

  /** Asks for a cancel; the task as it stands then. One that an agent holds ends a little later: `wait` for it. */
  async cancel(taskId: string, reason = ""): Promise<Task> {
    return present((await this.tasks.cancelTask({ namespace: this.namespace, taskId, reason })).task);
  }

  /** Waits until the task has ended, however often the stream breaks; the whole task, whatever became of it. */
  async wait(taskId: string, options: { signal?: AbortSignal } = {}): Promise<Task> {
    for await (const task of this.watch(taskId, options)) {
      if (isTerminal(task.state)) return task;
    }
    options.signal?.throwIfAborted();
    throw new Error("a watch ended before its task");
  }

  /** The task now, and again whenever it changed, up to its terminal state. States in between may be skipped. */
  async *watch(taskId: string, options: { signal?: AbortSignal } = {}): AsyncGenerator<Task, void> {
    const open = (signal: AbortSignal) => this.tasks.watchTask({ namespace: this.namespace, taskId }, { signal });
    for await (const { update } of reopened(open, { endsWithOk: false, signal: options.signal })) {
      if (update.case !== "task") continue;
      yield update.value;
      if (isTerminal(update.value.state)) return;
    }
  }

  /** Follows the activity feed: every event after a position once, in order, however often the stream breaks. */
  feed(options: FeedOptions = {}): AsyncGenerator<FeedBatch, void> {
    return followFeed(this.events, this.namespace, options);
  }

  /** Ends all connections, and the calls on them. */
  close(): void {
    this.#transport.close();
  }
}

/** Whether a state is final. */
export function isTerminal(state: TaskState): boolean {
  return TERMINAL.has(state);
}

const TERMINAL: ReadonlySet<TaskState> = new Set([
  TaskState.SUCCEEDED,
  TaskState.FAILED,
  TaskState.CANCELLED,
  TaskState.EXPIRED,
]);

function present(task: Task | undefined): Task {
  if (task === undefined) throw new Error("the service answered without the task");
  return task;
}
