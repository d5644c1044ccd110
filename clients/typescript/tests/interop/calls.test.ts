import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { TaskState } from "../../generated/missioncontrol/v1/task_pb.js";
import { CallError, Client, Code } from "../../src/index.js";
import { ADDRESS, fleetTest, ownName, refusal, workFor } from "./fleet.js";
import { Proxy } from "./proxy.js";

fleetTest("a submit that is repeated is one task", async (client) => {
  const work = workFor(ownName());
  const requestId = randomUUID();

  const [first, second] = [await client.submit(work, requestId), await client.submit(work, requestId)];
  const cancelled = await client.cancel(first.id, "the test is over");

  assert.equal(first.id, second.id);
  assert.equal(cancelled.state, TaskState.CANCELLED);
  assert.equal((await client.get(first.id)).state, TaskState.CANCELLED);
});

fleetTest("another body under the same request id is refused, and the task is named", async (client) => {
  const work = workFor(ownName());
  const requestId = randomUUID();
  const { id } = await client.submit(work, requestId);

  const error = await refusal(client.submit({ ...work, priority: 7 }, requestId));

  assert.equal(error.code, Code.AlreadyExists);
  assert.equal(error.metadata.task_id, id);
  await client.cancel(id);
});

fleetTest("an invalid task is refused with its fields", async (client) => {
  const error = await refusal(client.submit({ kind: "no kind!", priority: 1000 }));

  assert.deepEqual(
    [error.code, error.codeName, error.domain],
    [Code.InvalidArgument, "INVALID_ARGUMENT", "missioncontrol"],
  );
  const fields = error.fieldViolations.map(({ field }) => field).sort();
  assert.deepEqual(fields, ["spec.kind", "spec.priority"]);
  assert.ok(error.fieldViolations.every(({ description }) => description !== ""));
});

fleetTest("a task that is not there is NOT_FOUND, with a reason", async (client) => {
  const error = await refusal(client.get(randomUUID()));

  assert.equal(error.code, Code.NotFound);
  assert.equal(error.domain, "missioncontrol");
  assert.match(error.reason, /^[A-Z_]+$/);
  assert.equal((await refusal(client.wait(randomUUID()))).code, Code.NotFound);
});

fleetTest("a result of a batch that was refused is the same kind of error", async (client) => {
  const { results } = await client.tasks.batchCreateTasks({
    requests: [
      { spec: { kind: "interop.typescript", requirements: { capabilities: [ownName()] } } },
      { spec: { kind: "!" } },
    ],
  });
  const [accepted, refused] = results.map(({ result }) => result);

  assert.ok(accepted?.case === "taskId" && refused?.case === "error");
  const error = CallError.fromStatus(refused.value);
  assert.deepEqual([error.code, error.fieldViolations.length], [Code.InvalidArgument, 1]);
  await client.cancel(accepted.value);
});

fleetTest("an address where nobody is does not matter while another one answers", async () => {
  const client = new Client({ addresses: ["127.0.0.1:1", ADDRESS] });

  const { id } = await client.submit(workFor(ownName()));
  await client.cancel(id);
  client.close();
});

fleetTest("a call whose answer was lost with the connection is repeated, and happens once", async (direct, context) => {
  const proxy = await Proxy.to(ADDRESS);
  context.after(() => {
    proxy.close();
  });
  const client = new Client({ addresses: proxy.address });
  const queue = ownName();
  await refusal(client.get(randomUUID()));
  proxy.swallowsReplies = true;
  setTimeout(() => {
    proxy.swallowsReplies = false;
    proxy.cut();
  }, 300);

  const { id } = await client.submit({ ...workFor(ownName()), queue });

  client.close();
  const { tasks } = await direct.tasks.listTasks({ queue });
  assert.deepEqual(
    tasks.map((task) => task.id),
    [id],
  );
  await direct.cancel(id);
});

fleetTest("a call ends at its deadline while nobody answers", async () => {
  const client = new Client({ addresses: "127.0.0.1:1", callSeconds: 0.3 });
  const began = performance.now();

  const error = await refusal(client.get("x"));

  assert.ok(error.code === Code.Unavailable || error.code === Code.DeadlineExceeded, error.message);
  assert.ok(performance.now() - began < 5000);
  client.close();
});

fleetTest("a client that is closed ends its calls, and its waits", async (other) => {
  const client = new Client({ addresses: ADDRESS });
  const { id } = await client.submit(workFor(ownName()));
  const updates = client.watch(id);
  await updates.next();
  const waiting = refusal(updates.next());

  client.close();

  assert.equal((await waiting).message, "FAILED_PRECONDITION: the client was closed");
  assert.equal((await refusal(client.get(id))).code, Code.FailedPrecondition);
  await other.cancel(id);
});

fleetTest("a call that its caller ends is CANCELLED, and a wait that is ended throws the reason", async (client) => {
  const { id } = await client.submit(workFor(ownName()));
  const stop = new AbortController();
  const waiting = client.wait(id, { signal: stop.signal });
  const reason = new Error("enough");

  stop.abort(reason);

  await assert.rejects(waiting, reason);
  const error = await refusal(client.tasks.getTask({ taskId: id }, { signal: stop.signal }));
  assert.equal(error.code, Code.Canceled);
  await client.cancel(id);
});
