import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentState } from "../../generated/missioncontrol/v1/agent_pb.js";
import { FailureReason, TaskState } from "../../generated/missioncontrol/v1/task_pb.js";
import {
  Agent,
  AgentRefused,
  AgentSuperseded,
  decodePayload,
  StopReason,
  TaskFailure,
  WorkStopped,
} from "../../src/index.js";
import { ADDRESS, fleetTest, KIND, ownName, promised, startAgent, workFor } from "./fleet.js";
import { Proxy } from "./proxy.js";

fleetTest("an agent in this process runs tasks", async (client, context) => {
  const { capability } = startAgent(context, (task) => {
    task.progress(0.5, "half of it");
    return (task.json() as number) ** 2;
  });

  const numbers = Array.from({ length: 20 }, (_, number) => number);
  const submitted = await Promise.all(numbers.map((number) => client.submit(workFor(capability, number))));
  const ended = await Promise.all(submitted.map(({ id }) => client.wait(id)));

  assert.deepEqual(
    ended.map(({ output }) => decodePayload(output)),
    numbers.map((number) => number ** 2),
  );
  assert.ok(ended.every(({ agentId, token }) => agentId === capability && token === 1n));
});

fleetTest("a cancel stops the work", async (client, context) => {
  const [begun, stopped] = [promised<undefined>(), promised<unknown>()];
  const { capability } = startAgent(context, async ({ signal }) => {
    begun.fulfil(undefined);
    await sleep(600_000, undefined, { signal }).catch(() => undefined);
    stopped.fulfil(signal.reason);
    signal.throwIfAborted();
  });
  const { id } = await client.submit(workFor(capability));
  await begun.promise;

  await client.cancel(id, "not needed");

  assert.equal((await client.wait(id)).state, TaskState.CANCELLED);
  const reason = await stopped.promise;
  assert.ok(reason instanceof WorkStopped && reason.reason === StopReason.CANCEL);
});

fleetTest("a failure has its code, also one that nobody foresaw, and a time limit is one", async (client, context) => {
  const { capability } = startAgent(context, async (task) => {
    const asked = task.json();
    if (asked === "slow") await sleep(600_000, undefined, { signal: task.signal });
    if (asked === "mine") throw new TaskFailure("no", { code: "MINE", permanent: true });
    throw new RangeError("unforeseen");
  });
  const once = { retryPolicy: { attemptsMax: 1 } };
  const limit = (asked: string) => (asked === "slow" ? { runTimeLimit: { seconds: 1n } } : {});

  const submitted = await Promise.all(
    ["mine", "other", "slow"].map((asked) =>
      client.submit({ ...workFor(capability, asked), ...once, ...limit(asked) }),
    ),
  );
  const failures = (await Promise.all(submitted.map(({ id }) => client.wait(id)))).map(({ failure }) => failure);

  assert.deepEqual(
    failures.map((failure) => failure?.code),
    ["MINE", "RangeError", ""],
  );
  assert.equal(failures[1]?.message, "RangeError: unforeseen");
  assert.equal(failures[2]?.reason, FailureReason.TIMEOUT);
});

fleetTest("work goes on while the stream is cut, again and again, in its first attempt", async (client, context) => {
  const proxy = await Proxy.to(ADDRESS);
  context.after(() => {
    proxy.close();
  });
  const { capability } = startAgent(context, () => sleep(1000, "done"), { addresses: proxy.address });
  const submitted = await Promise.all(Array.from({ length: 8 }, () => client.submit(workFor(capability))));
  const cutting = setInterval(() => {
    proxy.cut();
  }, 700);
  setTimeout(() => {
    clearInterval(cutting);
  }, 4000);

  const ended = await Promise.all(submitted.map(({ id }) => client.wait(id)));

  assert.ok(proxy.connections > 1);
  assert.ok(ended.every(({ state, redeliveries }) => state === TaskState.SUCCEEDED && redeliveries === 0));
});

fleetTest(
  "an agent that leaves finishes what has started, returns the rest, and is offline",
  async (client, context) => {
    const [begun, finish] = [promised<undefined>(), promised<undefined>()];
    const { capability, agent, ended } = startAgent(
      context,
      async () => {
        begun.fulfil(undefined);
        await finish.promise;
        return "done";
      },
      { slots: 1, queueLimit: 1 },
    );
    const { id: first } = await client.submit(workFor(capability));
    await begun.promise;
    const { id: second } = await client.submit(workFor(capability));

    agent.leave(30);
    await sleep(500);
    finish.fulfil(undefined);
    await ended;

    assert.equal((await client.wait(first)).state, TaskState.SUCCEEDED);
    assert.equal((await client.get(second)).state, TaskState.PENDING);
    // The end of a session is recorded after its stream has ended.
    const state = async () => (await client.agents.getAgent({ agentId: capability })).agent?.state;
    while ((await state()) !== AgentState.OFFLINE) await sleep(20);
    await client.cancel(second);
  },
);

fleetTest("a newer process with the same id ends the older one", async (client, context) => {
  const { capability, ended } = startAgent(context, () => "x");
  const { id } = await client.submit(workFor(capability));
  await client.wait(id);

  startAgent(context, () => "x", { agentId: capability });

  await assert.rejects(ended, AgentSuperseded);
});

fleetTest("an agent that the coordinator does not take says why", async () => {
  const agent = new Agent({ addresses: ADDRESS, agentId: "no/such id", handlers: { [KIND]: ownName } });

  await assert.rejects(agent.run(), (error) => error instanceof AgentRefused && error.message.includes("agent_id"));
});
