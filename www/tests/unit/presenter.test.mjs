// Presenter mode: its addresses, places, keys and clock, and how windows agree on a place.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { placeOfLink, withPresent } = await load("presenter/address.ts");
const { actionOf } = await load("presenter/keys.ts");
const { elapsedText } = await load("presenter/clock.ts");
const { isNewer, Sync } = await load("presenter/sync.ts");

test("presenter mode is one parameter of a link, which keeps the others", () => {
  assert.equal(withPresent("#/lesson/3", true), "#/lesson/3?present=1");
  assert.equal(withPresent("#/lab?ks=1,3&present=1", true), "#/lab?ks=1,3&present=1");
  assert.equal(withPresent("#/lab?ks=1,3&present=1", false), "#/lab?ks=1,3");
  assert.equal(withPresent("#/home?present=1", false), "#/home");
});

test("the first view, the chapters and the lab are places of a talk, nothing else is", () => {
  const places = ["", "#/home?present=1", "#/lesson", "#/lesson/4?notes=1", "#/lesson/7", "#/lab?seed=2", "#/pde/heat", "#/certify"].map((link) => placeOfLink(link, 6));
  assert.deepEqual(places, ["home", "home", "lesson/1", "lesson/4", "lesson/1", "lab", undefined, undefined]);
});

/** A key press in an element that matches `inside`. */
function press(key, { inside = [], ...rest } = {}) {
  const none = { altKey: false, ctrlKey: false, metaKey: false, shiftKey: false, repeat: false, defaultPrevented: false };
  return { ...none, key, target: { closest: (selector) => (inside.some((one) => selector.includes(one)) ? {} : null) }, ...rest };
}

test("keys turn pages, but not with a modifier, held down, or already used", () => {
  const keys = ["ArrowRight", "PageDown", "ArrowLeft", "PageUp", "Escape", "p", "N", "x", "ArrowDown"];
  assert.deepEqual(keys.map((key) => actionOf(press(key))), ["next", "next", "previous", "previous", "leave", "present", "notes", undefined, undefined]);
  for (const state of ["altKey", "ctrlKey", "metaKey", "shiftKey", "repeat", "defaultPrevented"]) {
    assert.equal(actionOf(press("ArrowRight", { [state]: true })), undefined, state);
  }
  assert.equal(actionOf({ ...press("ArrowRight"), target: null }), "next", "nothing has the focus");
});

test("sliders, radio buttons, plots and text fields keep their keys", () => {
  for (const inside of ['input[type="range"]', 'input[type="radio"]', ".plot-frame,", "textarea", "select"]) {
    assert.equal(actionOf(press("ArrowRight", { inside: [inside] })), undefined, inside);
  }
  // A remote control turns pages even while a slider has the focus, but not while somebody types.
  assert.equal(actionOf(press("PageDown", { inside: ['input[type="range"]'] })), "next");
  for (const key of ["PageDown", "p", "n"]) assert.equal(actionOf(press(key, { inside: ["textarea"] })), undefined, key);
});

test("elapsed time in minutes, and in hours from an hour on", () => {
  const texts = [0, 999, 61_000, 59 * 60_000 + 59_000, 3_600_000, 3_723_000, -5].map(elapsedText);
  assert.deepEqual(texts, ["0:00", "0:00", "1:01", "59:59", "1:00:00", "1:02:03", "0:00"]);
});

test("of two moves the newer wins; moves of one millisecond are ordered the same way in every window", () => {
  const [a, b] = [{ place: "lab", at: 5, from: "a" }, { place: "home", at: 5, from: "b" }];
  assert.ok(isNewer(a, undefined));
  assert.ok(isNewer({ ...a, at: 6 }, b) && !isNewer(b, { ...a, at: 6 }));
  assert.ok(isNewer(b, a) && !isNewer(a, b) && !isNewer(a, a));
});

/** Windows on one channel that delivers when told to, so that messages can cross. `at` is the time of all clocks. */
function talk() {
  const channels = [];
  const queue = [];
  const clock = { at: 1000 };
  const open = (role) => {
    const channel = { onmessage: null, close: () => channels.splice(channels.indexOf(channel), 1), postMessage: (data) => queue.push([channel, data]) };
    channels.push(channel);
    const window = { places: [], talks: [] };
    window.sync = new Sync(role, { onPlace: (place) => { window.places.push(place); window.sync.arrive(place); }, onTalks: (count) => window.talks.push(count) }, channel, () => clock.at);
    window.go = (place) => { window.places.push(place); window.sync.arrive(place); };
    return window;
  };
  const deliver = () => {
    let count = 0;
    while (queue.length > 0) {
      assert.ok(++count < 100, "messages go round in circles");
      const [from, data] = queue.shift();
      for (const channel of channels.filter((one) => one !== from)) channel.onmessage({ data: structuredClone(data) });
    }
  };
  return { open, deliver, clock };
}

test("notes that open late go where the talk is, and each window follows the other", () => {
  const { open, deliver, clock } = talk();
  const first = open("talk");
  first.go("lesson/3");
  const notes = open("notes");
  notes.go("lesson/1");
  deliver();
  assert.deepEqual([notes.places.at(-1), notes.talks], ["lesson/3", [1]]);
  clock.at += 10;
  notes.go("lesson/4");
  deliver();
  assert.equal(first.places.at(-1), "lesson/4");
  clock.at += 10;
  first.go("lesson/5");
  deliver();
  assert.equal(notes.places.at(-1), "lesson/5");
  first.sync.close();
  deliver();
  assert.deepEqual(notes.talks, [1, 0]);
});

test("windows that move at the same time end at the same place", () => {
  const { open, deliver } = talk();
  const [first, notes] = [open("talk"), open("notes")];
  first.go("lesson/3");
  notes.go("lesson/3");
  deliver();
  first.go("lesson/4");
  notes.go("lesson/2");
  first.go("lesson/5");
  deliver();
  assert.equal(first.places.at(-1), notes.places.at(-1));
});
