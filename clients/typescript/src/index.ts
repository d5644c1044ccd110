/** Mission Control: submit tasks and wait for them, follow the feed, write agents. Messages are in "missioncontrol/v1/…". */

export { Agent, type AgentOptions } from "./agent/agent.js";
export { AgentRefused, AgentSuperseded, TaskFailure, type TaskFailureOptions } from "./agent/agent_error.js";
export type { Handler } from "./agent/handler.js";
export { type TaskContext, WorkStopped } from "./agent/task_context.js";
export { CallError, Code } from "./call_error.js";
export { Client, type ClientOptions, isTerminal, type Work } from "./client.js";
export type { TlsOptions } from "./connection.js";
export type { FieldViolation } from "./error_details.js";
export type { FeedBatch, FeedOptions } from "./feed.js";
export { decodePayload, encodePayload } from "./payload.js";
export { StopReason } from "./session/effect.js";
