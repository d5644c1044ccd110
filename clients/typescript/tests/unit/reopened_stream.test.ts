import assert from "node:assert/strict";
import test from "node:test";
import { CallError, Code } from "../../src/call_error.js";
import { OUTAGE_SECONDS } from "../../src/limits.js";
import { reopened } from "../../src/reopened_stream.js";

/** Streams that end one after another, each with its messages and, if it is one, its error. */
function streams(...each: [number[], Code?][]) {
  const left = [...each];
  return async function* () {
    await Promise.resolve();
    const [messages, code] = left.shift() ?? [[]];
    yield* messages;
    if (code !== undefined) throw new CallError(code, "broken");
  };
}

async function all(stream: AsyncIterable<number>): Promise<number[]> {
  const found: number[] = [];
  for await (const each of stream) found.push(each);
  return found;
}

test("a stream that breaks is opened again", async () => {
  const open = streams([[1, 2], Code.Unavailable], [[], Code.Internal], [[3], Code.ResourceExhausted], [[4]]);

  assert.deepEqual(await all(reopened(open, { endsWithOk: true })), [1, 2, 3, 4]);
});

test("an outage begins with the break, however long the stream was quiet before", async (context) => {
  let now = 0;
  context.mock.method(performance, "now", () => now);
  let opened = 0;
  const open = async function* () {
    opened += 1;
    if (opened === 1) yield await Promise.resolve(1);
    now += OUTAGE_SECONDS * 600; // of 1000
    throw new CallError(Code.Unavailable, "broken");
  };
  const found: number[] = [];

  await assert.rejects(async () => {
    for await (const each of reopened(open, { endsWithOk: true })) {
      found.push(each);
      now += OUTAGE_SECONDS * 2000;
    }
  });

  assert.deepEqual([found, opened], [[1], 3]);
});

test("a refusal ends it", async () => {
  const found: number[] = [];

  await assert.rejects(
    async () => {
      for await (const each of reopened(streams([[1], Code.NotFound]), { endsWithOk: true })) found.push(each);
    },
    { code: Code.NotFound },
  );

  assert.deepEqual(found, [1]);
});

test("a stream that must not end is opened again after an OK, until its reader has enough", async () => {
  const found: number[] = [];

  for await (const each of reopened(streams([[1]], [[2, 3]]), { endsWithOk: false })) {
    found.push(each);
    if (each === 2) break;
  }

  assert.deepEqual(found, [1, 2]);
});

test("a signal ends it, also while it waits to open the stream again", async () => {
  const stop = new AbortController();
  const open = async function* () {
    yield await Promise.resolve(1);
    setTimeout(() => {
      stop.abort();
    }, 1);
    throw new CallError(Code.Unavailable, "broken");
  };

  assert.ok((await all(reopened(open, { endsWithOk: false, signal: stop.signal }))).length > 0);
});
