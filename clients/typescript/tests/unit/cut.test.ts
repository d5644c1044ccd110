import assert from "node:assert/strict";
import test from "node:test";
import { Coordinator } from "./coordinator.js";
import { World } from "./world.js";

const TASKS = Array.from({ length: 12 }, (_, index) => `task-${index}`);
const SEEDS = 200;

/** All tasks, to their end and the agent's, with cuts. What must hold, holds. */
function run(cut: (delivered: number) => boolean, cancelled: readonly string[] = []): World {
  const coordinator = new Coordinator(TASKS, cancelled);
  const world = new World(coordinator, cut);
  world.runUntil(() => coordinator.done);
  world.leave();
  world.runUntil(() => world.session.left);
  for (const [taskId, { outcome, accepted }] of coordinator.tasks) {
    const expected = cancelled.includes(taskId) ? ["cancelled", "succeeded"] : ["succeeded"];
    assert.ok(expected.includes(outcome ?? ""), `${taskId} ended ${outcome ?? "not at all"}`);
    assert.equal(accepted, 1);
  }
  assert.equal(coordinator.disorder, 0);
  assert.ok(world.runningMax <= 3, `${world.runningMax} ran at once`);
  return world;
}

test("a stream that is cut after any message costs nothing", () => {
  const messages = run(() => false).delivered;
  assert.ok(messages > 20);

  for (let after = 1; after <= messages; after++) run((delivered) => delivered === after);
});

test("no task needs a second attempt while only the stream breaks, but for grants that never arrived", () => {
  const messages = run(() => false).delivered;

  for (let after = 1; after <= messages; after++) {
    const { coordinator } = run((delivered) => delivered === after);
    const repeated = [...coordinator.tasks.values()].filter(({ token }) => token > 1n).length;
    assert.ok(repeated <= 5, `${repeated} tasks were given twice by one cut`);
  }
});

test("cuts at random, with cancels, lose nothing and accept nothing twice", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = generator(seed);
    run(() => random() < 0.15, ["task-1", "task-5", "task-9"]);
  }
});

/** Numbers from 0 to 1 that a seed repeats. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
