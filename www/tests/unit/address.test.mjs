import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { linkTo, parseRoute } = await load("address.ts");
const { queryNumber } = await load("pde/equation.ts");

const route = (hash) => {
  const { path, rest, query } = parseRoute(hash, ["lab", "lesson"]);
  return [path, rest, String(query)];
};

test("an address is a path, the rest of the path and a query", () => {
  assert.deepEqual(route("#/lesson/2?notes=1"), ["lesson", "2", "notes=1"]);
  assert.deepEqual(route("#lab?ks=1,3&lr=0.1"), ["lab", "", "ks=1%2C3&lr=0.1"]);
  assert.deepEqual(route("#/lesson/a/b"), ["lesson", "a/b", ""]);
});

test("no path, or an unknown one, leads to the first view", () => {
  for (const hash of ["", "#", "#/", "#/nowhere"]) assert.deepEqual(route(hash), ["lab", "", ""]);
});

test("a path that is no view is named", () => {
  assert.deepEqual(["#/nowhere/2", "#/lab", ""].map((hash) => parseRoute(hash, ["lab"]).unknown), ["nowhere", undefined, undefined]);
});

test("links keep commas and colons readable, and are read back", () => {
  const query = { ks: "1,3", "lr-changes": "5:0.01", odd: "a b&c=d%" };
  const link = linkTo("lab", query);
  assert.match(link, /^#\/lab\?ks=1,3&lr-changes=5:0\.01&odd=/);
  assert.deepEqual(Object.fromEntries(parseRoute(link, ["lab"]).query), query);
  assert.equal(linkTo("lesson/1"), "#/lesson/1");
});

test("a number of the address counts within its bounds only", () => {
  const query = new URLSearchParams("dt=0.4&low=0.1&word=x&empty=");
  assert.deepEqual(["dt", "low", "word", "empty", "none"].map((name) => queryNumber(query, name, 0.3, 0.7)), [0.4, ...Array(4).fill(undefined)]);
  assert.equal(queryNumber(undefined, "dt", 0, 1), undefined);
});
