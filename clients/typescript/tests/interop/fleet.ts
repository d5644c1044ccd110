/** The fleet that the interop test runs against, and what each test has of it for itself. */

import { randomUUID } from "node:crypto";
import { test, type TestContext } from "node:test";
import { Agent, type AgentOptions, CallError, Client, type Handler } from "../../src/index.js";

export const ADDRESS = process.env.MISSIONCONTROL_ADDRESS ?? "";
export const KIND = "interop.typescript";
const SECONDS_MAX = 60;

if (ADDRESS === "")
  process.stderr.write("\nNO FLEET: set MISSIONCONTROL_ADDRESS to run the interop test; it is SKIPPED\n\n");

/** A test that needs the fleet, with a client that is closed after it. */
export function fleetTest(name: string, body: (client: Client, context: TestContext) => Promise<void>): void {
  const skip = ADDRESS === "" && "NO FLEET: MISSIONCONTROL_ADDRESS is not set";
  void test(name, { skip, timeout: SECONDS_MAX * 1000 }, async (context) => {
    const client = new Client({ addresses: ADDRESS });
    try {
      await body(client, context);
    } finally {
      client.close();
    }
  });
}

/** A name that nobody else has: of an agent, a capability, a queue. */
export function ownName(): string {
  return `interop-${randomUUID()}`;
}

/** Runs an agent with this handler, which is the only one with the capability of that name, until the test is over. */
export function startAgent(
  context: TestContext,
  handler: Handler,
  options: Partial<AgentOptions> = {},
): { capability: string; agent: Agent; ended: Promise<void> } {
  const capability = ownName();
  const common = { agentId: capability, addresses: ADDRESS, slots: 4, capabilities: [capability] };
  const agent = new Agent({ ...common, handlers: { [KIND]: handler }, ...options });
  const ended = agent.run();
  context.after(async () => {
    agent.leave(0);
    await ended.catch(() => undefined);
  });
  return { capability, agent, ended };
}

/** Whom only the agent with this capability can run. */
export function workFor(capability: string, payload?: unknown) {
  return { kind: KIND, payload, requirements: { capabilities: [capability] } };
}

/** The CallError that a call must end with. */
export async function refusal(call: Promise<unknown>): Promise<CallError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof CallError) return error;
    throw error;
  }
  throw new Error("the call was not refused");
}

/** A promise, and what fulfils it. */
export function promised<T>(): { promise: Promise<T>; fulfil: (value: T) => void } {
  let fulfil: (value: T) => void = () => undefined;
  const promise = new Promise<T>((resolve) => (fulfil = resolve));
  return { promise, fulfil };
}
