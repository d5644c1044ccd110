import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type Event, EventType } from "../../generated/missioncontrol/v1/event_pb.js";
import { ResetReason } from "../../generated/missioncontrol/v1/event_service_pb.js";
import { Client, type FeedOptions } from "../../src/index.js";
import { ADDRESS, fleetTest, KIND, ownName } from "./fleet.js";
import { Proxy } from "./proxy.js";

const TASKS = 300;
/** Each task is created, and cancelled. */
const EVENTS = 2 * TASKS;

/** Of a queue what its tasks say; the queue itself may say, too, that nobody takes them. */
function filterOf(queue: string) {
  return { queue, types: [EventType.TASK_CREATED, EventType.TASK_CANCELLED] };
}

/** Makes the events of a queue of its own. */
async function makeEvents(client: Client, queue: string): Promise<void> {
  const requirements = { capabilities: [ownName()] };
  const { results } = await client.tasks.batchCreateTasks({
    requests: Array.from({ length: TASKS }, () => ({ spec: { kind: KIND, queue, requirements } })),
  });
  assert.ok(results.every(({ result }) => result.case === "taskId"));
  const change = { case: "cancel", value: {} } as const;
  const changed = await client.tasks.bulkChangeTasks({ filter: { queue }, change, pageSize: 1000 });
  assert.equal(changed.changed, TASKS);
}

/** Reads until there are so many events; the events, and the position after them. */
async function read(
  client: Client,
  count: number,
  options: FeedOptions,
): Promise<{ events: Event[]; position: string }> {
  const events: Event[] = [];
  let position = options.after ?? "";
  for await (const batch of client.feed(options)) {
    events.push(...batch.events);
    position = batch.position;
    if (events.length >= count) break;
  }
  return { events, position };
}

/** What the feed holds, from a list: to compare with. */
async function listed(client: Client, queue: string): Promise<bigint[]> {
  const sequences: bigint[] = [];
  let after = "";
  for (;;) {
    const page = await client.events.listEvents({ after, filter: filterOf(queue), pageSize: 1000 });
    sequences.push(...page.events.map(({ sequence }) => sequence));
    if (page.nextPosition === page.position) return sequences;
    after = page.nextPosition;
  }
}

function sequencesOf(...parts: { events: Event[] }[]): bigint[] {
  return parts.flatMap(({ events }) => events.map(({ sequence }) => sequence));
}

async function cutting(context: TestContext): Promise<{ proxy: Proxy; client: Client }> {
  const proxy = await Proxy.to(ADDRESS);
  const client = new Client({ addresses: proxy.address });
  context.after(() => {
    client.close();
    proxy.close();
  });
  return { proxy, client };
}

fleetTest("who reads a part, drops the stream, and goes on after the position misses nothing", async (client) => {
  const queue = ownName();
  const from = (await read(client, 0, { after: "head" })).position;
  const early = makeEvents(client, queue);
  const first = await read(client, 1, { after: from, filter: filterOf(queue) });
  await early;

  const second = await read(client, EVENTS / 3, { after: first.position, filter: filterOf(queue) });
  const third = await read(client, EVENTS - first.events.length - second.events.length, {
    after: second.position,
    filter: filterOf(queue),
  });

  const sequences = sequencesOf(first, second, third);
  assert.equal(sequences.length, EVENTS);
  assert.deepEqual(sequences, await listed(client, queue));
});

fleetTest(
  "a feed whose connection is cut goes on by itself: nothing missing, doubled or reordered",
  async (direct, context) => {
    const { proxy, client } = await cutting(context);
    const queue = ownName();
    const reading = read(client, 3 * EVENTS, { filter: filterOf(queue) });
    const cuts = setInterval(() => {
      proxy.cut();
    }, 150);
    for (let round = 0; round < 3; round++) {
      await makeEvents(direct, queue);
      proxy.cut();
    }
    clearInterval(cuts);
    const { events } = await reading;

    const sequences = sequencesOf({ events });
    assert.equal(sequences.length, 3 * EVENTS);
    assert.deepEqual(sequences, await listed(direct, queue));
    assert.ok(proxy.connections > 1, "it was never cut");
  },
);

fleetTest("without follow the feed ends at the head", async (client) => {
  const queue = ownName();
  await makeEvents(client, queue);

  const { events } = await read(client, Infinity, { filter: filterOf(queue), follow: false });

  assert.equal(events.length, EVENTS);
});

fleetTest("a position that cannot be continued is a reset, and the feed goes on", async (client) => {
  const feed = client.feed({ after: "another-epoch:5", follow: false });

  const { value: first } = await feed.next();

  assert.ok(first);
  assert.equal(first.reset?.reason, ResetReason.EPOCH);
  assert.equal(first.reset.requested, "another-epoch:5");
  assert.notEqual(first.position, "");
  await feed.return(undefined);
});
