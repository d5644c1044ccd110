/** Runs tasks of the kind "example.digest", as clients/README.md describes them. */

import { hostname } from "node:os";
import { Agent, AgentRefused, AgentSuperseded } from "../src/index.js";
import { digest } from "./digest.js";
import * as settings from "./settings.js";

const MISCONFIGURED = 1;
const SUPERSEDED = 70;
const REFUSED = 78;

// Work that was left behind must not keep the process.
process.exit(await main());

/** Runs until a signal has drained the agent; a second signal ends the drain at once. */
async function main(): Promise<number> {
  try {
    const agent = configured();
    const drainSeconds = [settings.number("MISSIONCONTROL_AGENT_DRAIN_SECONDS", 30, 0)];
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        agent.leave(drainSeconds.shift() ?? 0);
      });
    }
    await agent.run();
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    if (error instanceof AgentSuperseded) return SUPERSEDED;
    return error instanceof AgentRefused ? REFUSED : MISCONFIGURED;
  }
}

function configured(): Agent {
  return new Agent({
    addresses: settings.addresses(),
    namespace: settings.namespace(),
    agentId: settings.text("MISSIONCONTROL_AGENT_ID", hostname()),
    slots: settings.number("MISSIONCONTROL_AGENT_SLOTS", 4, 1),
    capabilities: settings.list("MISSIONCONTROL_AGENT_CAPABILITIES"),
    handlers: { [settings.KIND]: digest },
    log: (line) => process.stderr.write(`${line}\n`),
  });
}
