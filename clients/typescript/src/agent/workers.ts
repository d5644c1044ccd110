/** The work that runs: one call of a handler for each lease that was started. Knows neither session nor stream. */

import type { Lease } from "../../generated/missioncontrol/v1/agent_service_pb.js";
import type { Progress } from "../../generated/missioncontrol/v1/task_pb.js";
import { keyOf, type LeaseKey, StopReason } from "../session/effect.js";
import type { Outcome } from "../session/outcome.js";
import { TaskFailure } from "./agent_error.js";
import { type Handler, run } from "./handler.js";
import { TaskContext, WorkStopped } from "./task_context.js";

/** Who is told what happens; never during a call of Workers. */
export interface Listener {
  progressed(key: LeaseKey, progress: Progress): void;
  ended(key: LeaseKey, outcome: Outcome): void;
}

export class Workers {
  readonly #handlers: ReadonlyMap<string, Handler>;
  readonly #listener: Listener;
  readonly #running = new Map<LeaseKey, AbortController>();

  constructor(handlers: ReadonlyMap<string, Handler>, listener: Listener) {
    this.#handlers = handlers;
    this.#listener = listener;
  }

  /** Starts the work of a lease, in the next turn of the event loop. */
  start(lease: Lease): void {
    const key = keyOf(lease);
    const stop = new AbortController();
    this.#running.set(key, stop);
    const task = new TaskContext(lease, stop.signal, (progress) => {
      if (this.#running.has(key)) this.#listener.progressed(key, progress);
    });
    setImmediate(() => void this.#run(key, task));
  }

  async #run(key: LeaseKey, task: TaskContext): Promise<void> {
    const outcome = await run(this.#handlers.get(task.lease.spec?.kind ?? "") ?? noHandler, task);
    this.#running.delete(key);
    this.#listener.ended(key, outcome);
  }

  /** Tells the work of a lease to stop. A second reason changes nothing for it. */
  stop(key: LeaseKey, reason: StopReason): void {
    this.#running.get(key)?.abort(new WorkStopped(reason));
  }

  /** Tells everything that still runs to stop: the agent ends. */
  stopAll(): void {
    for (const key of this.#running.keys()) this.stop(key, StopReason.DROPPED);
  }
}

function noHandler(task: TaskContext): never {
  throw new TaskFailure(`no handler for the kind ${task.lease.spec?.kind ?? ""}`);
}
