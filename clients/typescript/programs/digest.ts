/** The work of the kind "example.digest". */

import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type TaskContext, TaskFailure } from "../src/index.js";

/** Work with a duration reports its progress so often. */
const STEPS = 5;
const SECONDS_MAX = 1e6;

interface Input {
  readonly text: string;
  readonly seconds: number;
  readonly fail: string;
}

/** Works for as long as it is asked to, and digests the text. */
export async function digest(task: TaskContext) {
  const { text, seconds, fail } = read(task);
  for (let step = 1; seconds > 0 && step <= STEPS; step++) {
    await sleep((seconds / STEPS) * 1000, undefined, { signal: task.signal });
    task.progress(step / STEPS);
  }
  if (fail !== "") throw new TaskFailure(fail, { code: "asked-for" });
  const content = new TextEncoder().encode(text);
  return { sha256: createHash("sha256").update(content).digest("hex"), length: content.length, language: "typescript" };
}

function read(task: TaskContext): Input {
  try {
    const value = task.json();
    if (typeof value !== "object" || value === null) throw new TypeError("the input is no object");
    const { text, seconds = 0, fail = "" } = value as Partial<Record<keyof Input, unknown>>;
    if (typeof text !== "string") throw new TypeError("the input has no text");
    if (typeof seconds !== "number" || !(seconds >= 0 && seconds <= SECONDS_MAX))
      throw new RangeError("seconds is out of range");
    if (typeof fail !== "string") throw new TypeError("fail is no text");
    return { text, seconds, fail };
  } catch (error) {
    throw new TaskFailure(String(error), { code: "bad-input", permanent: true, cause: error });
  }
}
