/** Submits tasks of the kind "example.digest" and waits for them, as clients/README.md describes it. */

import { CallError, Client, decodePayload } from "../src/index.js";
import { type Task, TaskState } from "../generated/missioncontrol/v1/task_pb.js";
import * as settings from "./settings.js";

const NOT_SUCCEEDED = 1;
const REFUSED = 2;

process.exitCode = await main(process.argv.slice(2));

async function main(inputs: readonly string[]): Promise<number> {
  try {
    return (await submitAndWait(inputs)) ? 0 : NOT_SUCCEEDED;
  } catch (error) {
    process.stderr.write(told(error));
    return REFUSED;
  }
}

/** Submits all inputs at once, and prints the results in their order. Whether all succeeded. */
async function submitAndWait(inputs: readonly string[]): Promise<boolean> {
  const client = new Client({ addresses: settings.addresses(), namespace: settings.namespace() });
  try {
    const submitted = await Promise.all(inputs.map((input) => submit(client, input)));
    let succeeded = true;
    for (const { id } of submitted) {
      const task = await client.wait(id);
      print(task);
      succeeded &&= task.state === TaskState.SUCCEEDED;
    }
    return succeeded;
  } finally {
    client.close();
  }
}

function submit(client: Client, input: string): Promise<Task> {
  return client.submit({
    kind: settings.KIND,
    queue: settings.text("MISSIONCONTROL_QUEUE", "default"),
    requirements: { capabilities: settings.list("MISSIONCONTROL_CAPABILITIES") },
    payload: new TextEncoder().encode(input),
  });
}

function print(task: Task): void {
  const line = {
    task_id: task.id,
    state: TaskState[task.state],
    agent_id: task.agentId,
    output: decodePayload(task.output) ?? null,
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** A line for the error, and one for each field that is wrong. */
function told(error: unknown): string {
  if (!(error instanceof CallError)) return `${String(error)}\n`;
  const lines = error.fieldViolations.map(({ field, description }) => `  ${field}: ${description}\n`);
  return [`${error.codeName}: ${error.reason}: ${error.statusMessage}\n`, ...lines].join("");
}
