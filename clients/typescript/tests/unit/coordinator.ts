/** A coordinator that grants tasks, judges reports, and remembers, as far as an agent can tell. It has one agent. */

import { create } from "@bufbuild/protobuf";
import {
  type AgentMessage,
  type CoordinatorMessage,
  CoordinatorMessageSchema,
  type Hello,
  type Refusal,
  RefusalReason,
  RefusalSchema,
  type Report,
} from "../../generated/missioncontrol/v1/agent_service_pb.js";
import { ack, lease, leases, orders, reference, welcome } from "./builders.js";

interface Task {
  /** Of the current lease, or of the last one. */
  token: bigint;
  leased: boolean;
  /** What it ended with, and how often an outcome was accepted. */
  outcome: string | undefined;
  accepted: number;
}

const FINAL: readonly string[] = ["succeeded", "failed", "cancelled"];

export class Coordinator {
  readonly tasks = new Map<string, Task>();
  /** Numbers that came in another order than they should. */
  disorder = 0;
  readonly #cancelled: ReadonlySet<string>;
  #slots = 0;
  #draining = false;
  #judged = 0n;
  #batch = 0n;

  constructor(taskIds: readonly string[], cancelled: readonly string[] = []) {
    for (const taskId of taskIds) this.tasks.set(taskId, { token: 0n, leased: false, outcome: undefined, accepted: 0 });
    this.#cancelled = new Set(cancelled);
  }

  /** Whether every task has ended. */
  get done(): boolean {
    return [...this.tasks.values()].every(({ outcome }) => outcome !== undefined);
  }

  /** Takes in a message; what it answers. */
  receive({ content }: AgentMessage): CoordinatorMessage[] {
    if (content.case === "hello") return [this.#welcome(content.value), ...this.#grant()];
    if (content.case === "heartbeat") {
      const { number, heldVersion } = content.value;
      const echo = create(CoordinatorMessageSchema, {
        content: { case: "heartbeatEcho", value: { number, heldVersion } },
      });
      return [echo, ...this.#cancels()];
    }
    if (content.case === "reports") return [this.#judge(content.value.reports), ...this.#grant()];
    if (content.case === "drainNotice") this.#draining = true;
    return [];
  }

  #welcome(hello: Hello): CoordinatorMessage {
    this.#slots = hello.slots + hello.queueLimit;
    this.#draining = hello.draining;
    this.#batch = 0n;
    const named = new Set(hello.held.map(({ taskId, token }) => `${taskId}/${token}`));
    for (const [taskId, task] of this.tasks) {
      if (!named.has(`${taskId}/${task.token}`)) task.leased = false;
    }
    const keeps = ({ taskId, token }: { taskId: string; token: bigint }) => {
      const task = this.tasks.get(taskId);
      return task?.leased === true && task.token === token;
    };
    return welcome({ keep: hello.held.filter(keeps), drop: hello.held.filter((each) => !keeps(each)) });
  }

  #grant(): CoordinatorMessage[] {
    const open = [...this.tasks].filter(([, task]) => !task.leased && task.outcome === undefined);
    const busy = [...this.tasks.values()].filter(({ leased }) => leased).length;
    const granted = open.slice(0, this.#draining ? 0 : Math.max(0, this.#slots - busy)).map(([taskId, task]) => {
      task.leased = true;
      task.token += 1n;
      return lease(taskId, { token: task.token });
    });
    if (granted.length === 0) return [];
    this.#batch += 1n;
    return [leases(...granted)];
  }

  #cancels(): CoordinatorMessage[] {
    const running = [...this.tasks].filter(([taskId, { leased }]) => leased && this.#cancelled.has(taskId));
    if (running.length === 0) return [];
    return [orders({ cancel: running.map(([taskId, { token }]) => reference(taskId, token)) })];
  }

  #judge(reports: readonly Report[]): CoordinatorMessage {
    const refusals: Refusal[] = [];
    for (const report of reports) {
      if (report.number <= this.#judged) continue; // It was judged, and the acknowledgement was lost.
      if (report.number !== this.#judged + 1n) this.disorder += 1;
      this.#judged = report.number;
      if (!this.#accepts(report)) {
        const { number, taskId, token } = report;
        refusals.push(create(RefusalSchema, { number, taskId, token, reason: RefusalReason.STALE }));
      }
    }
    return ack(Number(this.#judged), { refusals });
  }

  #accepts({ taskId, token, event }: Report): boolean {
    const task = this.tasks.get(taskId);
    if (task?.leased !== true || task.token !== token) return false;
    if (event.case === "returned" || event.case === "rejected") task.leased = false;
    if (!FINAL.includes(event.case ?? "")) return true;
    task.leased = false;
    task.outcome = event.case;
    task.accepted += 1;
    return true;
  }
}
