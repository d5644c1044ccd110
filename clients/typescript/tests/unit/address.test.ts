import assert from "node:assert/strict";
import test from "node:test";
import { AddressRing, parseAddresses } from "../../src/address.js";

test("addresses are separated by commas, each once, each with a port", () => {
  assert.deepEqual(parseAddresses(" a:1, b ,a:1,,[::1]:2,::1 "), ["a:1", "b:7070", "[::1]:2", "[::1]:7070"]);
  assert.deepEqual(parseAddresses(["a:1", "b:2,c:3"]), ["a:1", "b:2", "c:3"]);
});

for (const wrong of ["", " , ", "a:0", "a:65536", "a:x", "http://a:1", "a b:1", ":1"]) {
  test(`"${wrong}" is no address`, () => {
    assert.throws(() => parseAddresses(wrong), RangeError);
  });
}

test("what the coordinators name comes behind what was given, and is forgotten when they name others", () => {
  const ring = new AddressRing("a:1,b:2");
  ring.advance();

  ring.learn(["b:2", "c:3"]);
  ring.learn(["d:4"]);

  assert.deepEqual(ring.all, ["a:1", "b:2", "d:4"]);
  assert.equal(ring.current, "b:2");
  ring.advance();
  ring.advance();
  assert.equal(ring.current, "a:1");
});

test("the address that is used stays while others are learned", () => {
  const ring = new AddressRing("a:1");
  ring.learn(["b:2"]);
  ring.advance();

  ring.learn(["c:3"]);

  assert.equal(ring.current, "b:2");
});
