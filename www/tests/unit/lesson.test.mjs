import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { load } from "./load.mjs";

const { bitsOf, exactDecimal, fieldsOf, fma, sgdStep, spacing } = await load("lesson/float32.ts");
const { parseMarks } = await load("lesson/chapter.ts");
const { shortestDecimal } = await load("lesson/chapter1.ts");
const { BetBook, BETS, parseWagers, resultText } = await load("lesson/bets.ts");
const { KeptExhibits } = await load("lesson/kept.ts");
const { comparableEnd, nextTarget, runningMean } = await load("lesson/learning_time.ts");
const { commonAxis, onAxis } = await load("plots/common_axis.ts");
const { tally, verdictText } = await load("lesson/chapter2.ts");
const { behaviourText } = await load("pde/nonlinear.ts");
const { whereText } = await load("lesson/run_panel.ts");
const { table } = await load("language/de.ts");
/** The words of all chapters in a language. */
const chaptersIn = (language) => Promise.all([1, 2, 3, 4, 5, 6, 7].map(async (n) => (await load(`lesson/${language}/chapter${n}.ts`)).text));
const [chapters, german] = [await chaptersIn("en"), await chaptersIn("de")];

test("the place of a run is named once it is known", () => {
  const opened = { network: "resnet8", adapter: { name: "" } };
  assert.equal(whereText(true, undefined), "Preparing…");
  assert.equal(whereText(false, undefined), "Preparing…");
  assert.equal(whereText(true, opened), "Live on your GPU: resnet8, made-up images.");
  assert.match(whereText(false, { ...opened, adapter: { name: "llvmpipe" } }), /^Recorded: resnet8 on real images.*on llvmpipe\.$/);
});

test("float32 is shown exactly", () => {
  assert.equal(exactDecimal(bitsOf(0.1)), "0.100000001490116119384765625");
  assert.equal(exactDecimal(bitsOf(16777217)), "16777216");
  assert.equal(exactDecimal(bitsOf(-0.5)), "−0.5");
  assert.equal(exactDecimal(bitsOf(3.4028234663852886e38)), "340282346638528859811704183484516925440");
  assert.equal(exactDecimal(1).length, "0.".length + 149);
  assert.deepEqual([Infinity, -Infinity, NaN].map((value) => exactDecimal(bitsOf(value))), ["∞", "−∞", "not a number"]);
  assert.deepEqual(fieldsOf(bitsOf(-1.5)), { sign: 1, exponent: 127, significand: 1 << 22 });
  assert.deepEqual([bitsOf(1), bitsOf(0.1), 1].map(spacing), [2 ** -23, 2 ** -27, 2 ** -149]);
});

test("the shortest decimal rounds to its float32", () => {
  for (const value of [0.1, 1 / 3, 16777216, 1e-45, 3.4028235e38, -2.5]) assert.equal(Math.fround(Number(shortestDecimal(Math.fround(value)))), Math.fround(value));
  assert.equal(shortestDecimal(Math.fround(0.1)), "0.1");
});

test("fma rounds once", () => {
  // The product's last bit is lost if the product is rounded first.
  const a = 1 + 2 ** -23;
  assert.equal(fma(a, a, -(1 + 2 ** -22)), 2 ** -46);
  // A tie in float64's sum that is none: what the sum lost decides.
  const half = 2 ** -24;
  assert.equal(fma(1, half, 1), 1, "ties go to even");
  assert.equal(fma(1 + 2 ** -23, half, 1), a, "just above the tie");
  assert.equal(fma(2 ** -60, 2 ** -60, fma(1, half, 1)), 1);
});

test("a step with k = 2 has the bits of k = 1, one with k = 3 often has not", () => {
  for (const k of [2, 4]) assert.deepEqual(tally(k), { back: 0, weights: 0 });
  const { back, weights } = tally(3);
  assert.ok(back > 13_000 && back < 14_500, `${back} of 100,000 do not come back`);
  assert.ok(weights > 500 && weights < 2000, `${weights} of 100,000 weights differ`);
  assert.equal(sgdStep(1, 0.5, 0.1, 1), Math.fround(1 - Math.fround(0.1) * 0.5));
});

test("what does not come back is the next float32, although several bits may differ", () => {
  let several = 0;
  for (let i = 0; i < 20_000; i++) {
    const d = Math.fround((Math.random() - 0.5) * 0.1);
    for (const k of [3, 5, 7]) {
      const back = Math.fround(Math.fround(d / k) * k);
      const [from, to] = [bitsOf(d), bitsOf(back)];
      if (from === to) assert.equal(verdictText(d, back), "It came back.");
      else {
        assert.equal(Math.abs(from - to), 1, `${d} / ${k} · ${k}`);
        if (((from ^ to) & ~1) !== 0) several++;
        assert.match(verdictText(d, back), to > from ? /farther from zero/ : /closer to zero/);
      }
    }
  }
  assert.ok(several > 0, "a carry changes more than the last bit");
});

test("what chapter 4 says of the zigzag holds within the steps that it shows", async () => {
  const points = 31;
  const half = (points - 1) / 2;
  const shape = Array.from({ length: points }, (_, i) => Math.sin((29 * Math.PI * i) / (points - 1)));
  const tent = shape.map((_, i) => 1.5 * (1 - Math.abs(i - half) / half));
  const start = (2 / (points - 1)) * shape.reduce((sum, s, i) => sum + s * tent[i], 0);
  const factor = (dt) => 1 - 4 * dt * Math.sin((29 * Math.PI) / 60) ** 2;
  const [question, answer] = chapters[3].teacher.questions[0];
  assert.match(question, /dt = 0\.53,/);
  assert.ok(answer.includes(factor(0.53).toFixed(4).replace("-", "−")), answer);
  const steps = Math.ceil(Math.log(1000) / Math.log(-factor(0.53)));
  assert.ok(answer.includes(`= ${steps} steps: from ${start.toFixed(4)} at the start to ${(1000 * start).toFixed(1)}.`), answer);
  const shown = Number(/^const STEPS = (\d+);$/m.exec(await readFile(new URL("../../src/pde/heat.ts", import.meta.url), "utf8"))[1]);
  assert.ok(steps < shown, "the plot goes as far");
  // docs/TEACHING.md: the number of steps until the zigzag is as large as the tent.
  const teaching = await readFile(new URL("../../../docs/TEACHING.md", import.meta.url), "utf8");
  const least = Math.ceil(Math.log(1.5 / start) / Math.log(-factor(0.52)));
  assert.ok(least < shown && teaching.includes(`is as large as the tent at dt = 0.52 (${least}); check.`), String(least));
});

test("marks count at the edges of words only", () => {
  assert.deepEqual(parseMarks("a *b c* d"), ["a ", ["em", "b c"], " d"]);
  assert.deepEqual(parseMarks("_p_ ← `x`, max_ulp_of, 2 * 3 * 4"), ["", ["var", "p"], " ← ", ["code", "x"], ", max_ulp_of, 2 * 3 * 4"]);
});

test("every chapter has its title in the list, text, a task, a sight, notes and questions, without a stray mark", async () => {
  const list = await readFile(new URL("../../src/lesson/lesson.ts", import.meta.url), "utf8");
  for (const { title } of chapters) assert.ok(list.includes(`{ title: t("${title}"), load:`), title);
  for (const { title, text, task, sight, teacher } of [...chapters, ...german]) {
    assert.ok(text.length > 0 && teacher.notes.length > 0 && teacher.questions.length > 0, title);
    for (const words of [...text, task, sight, ...teacher.notes, ...teacher.questions.flat()]) {
      assert.ok(words.trim() !== "", title);
      const plain = parseMarks(words).filter((part) => typeof part === "string").join("");
      assert.doesNotMatch(plain, /[*`]\w|\w[*`]|\b_|_\b/, words);
    }
  }
});

/** All words of a chapter, part by part. */
const parts = ({ text, task, sight, teacher }) => [...text, task, sight, ...teacher.notes, ...teacher.questions.flat()];

/** The numbers of a text, sorted, without what keeps thousands apart. `float32` and `k2` are names. */
const numbersOf = (text) => (text.replaceAll(/(?<=\d)[,\u202f](?=\d{3})/g, "").match(/(?<![A-Za-z\d])\d+(\.\d+)?/g) ?? []).sort();

test("the German chapters say the same, part by part: the same numbers, variables and emphasis", () => {
  for (const [index, english] of chapters.entries()) {
    const translated = german[index];
    assert.equal(translated.title, table[english.title]);
    for (const count of [({ text }) => text.length, ({ teacher }) => teacher.notes.length, ({ teacher }) => teacher.questions.length]) assert.equal(count(translated), count(english), english.title);
    const [theirs, ours] = [parts(english), parts(translated)];
    for (const [part, words] of ours.entries()) {
      assert.deepEqual(numbersOf(words), numbersOf(theirs[part]), words);
      const marks = (text) => parseMarks(text).filter((one) => typeof one !== "string");
      assert.deepEqual(marks(words).map(([tag]) => tag), marks(theirs[part]).map(([tag]) => tag), words);
      assert.deepEqual(marks(words).filter(([tag]) => tag === "var"), marks(theirs[part]).filter(([tag]) => tag === "var"), words);
      assert.doesNotMatch(words, /["“][A-Za-zÄÖÜäöü]|\d,\d/, "German quotes, and a decimal point");
    }
  }
});

test("each behaviour of the nonlinear network has its sentence", () => {
  const text = (found) => behaviourText(found, { loss: 0.29154, edge: 0.032198 });
  assert.match(text({ kind: "blows-up" }), /^Blow-up/);
  assert.match(text({ kind: "chaos", exponent: Math.log(2.5) }), /2\.50-fold a step/);
  assert.equal(text({ kind: "period", period: 1, exponent: -1 }), "Settles at loss 0.2915. Theory: it settles up to dt = 0.03220.");
  assert.match(text({ kind: "period", period: 4, exponent: -1 }), /^Hops between 4 values/);
});

test("every chapter has a bet with one outcome among three or four answers", () => {
  assert.equal(BETS.length, chapters.length);
  for (const { question, choices, outcome } of BETS) {
    assert.match(question, /\?$/);
    assert.ok(choices.length >= 3 && choices.length <= 4 && choices[outcome] !== undefined, question);
    assert.equal(new Set(choices).size, choices.length, question);
    for (const choice of choices) assert.doesNotMatch(choice, /\.$/, "a full stop follows where it is quoted");
  }
});

test("stored bets are read, and what cannot be read is no bet", () => {
  const none = { choice: undefined, revealed: undefined };
  for (const text of [null, "", "{", "7", "[null, 3, [], {}]"]) assert.deepEqual(parseWagers(text), BETS.map(() => none), String(text));
  const [first, second, third, ...others] = parseWagers('[{"choice":1,"revealed":"seen"},{"choice":99,"revealed":"no"},{"choice":0}]');
  assert.deepEqual([first, second, third], [{ choice: 1, revealed: "seen" }, none, { choice: 0, revealed: undefined }]);
  assert.deepEqual(others, BETS.slice(3).map(() => none));
});

test("a bet is compared with what was seen", () => {
  const bet = { question: "?", choices: ["Left", "Right"], outcome: 1 };
  assert.equal(resultText(bet, { choice: undefined }), "You did not bet. It was: Right.");
  assert.equal(resultText(bet, { choice: 1 }), "You bet: Right. So it was.");
  assert.equal(resultText(bet, { choice: 0 }), "You bet: Left. It was: Right.");
});

test("a bet can change until it is revealed, without any storage", () => {
  const book = new BetBook();
  let changes = 0;
  const end = book.onChange(() => changes++);
  book.bet(3, 0);
  book.bet(3, 2);
  book.reveal(3, "opened");
  book.bet(3, 1);
  assert.deepEqual(book.of(3), { choice: 2, revealed: "opened" });
  book.reveal(3, "seen");
  book.reveal(3, "opened");
  book.reveal(3, "seen");
  assert.deepEqual(book.of(3), { choice: 2, revealed: "seen" }, "what was seen stays seen");
  assert.deepEqual(book.of(4), { choice: undefined, revealed: undefined });
  assert.equal(changes, 4, "a call that changes nothing tells nobody");
  end();
  book.clear();
  assert.deepEqual(book.of(3), { choice: undefined, revealed: undefined });
  assert.equal(changes, 4);
});

test("curves of different rates share one axis", () => {
  const steps = (rate, values) => ({ x: Float64Array.from(values, (_, index) => (index + 1) * rate), values: Float64Array.from(values) });
  const [slow, fast] = [steps(0.5, [1, 10, 100, 0]), steps(2, [4, 16])];
  const axis = commonAxis([slow, fast]);
  assert.deepEqual([...axis], [0.5, 1, 1.5, 2, 4]);
  assert.deepEqual([...onAxis(slow, axis, true)], [1, 10, 100, 0], "it ends with its last step");
  assert.deepEqual([...onAxis(fast, axis, true)], [NaN, NaN, NaN, 4, 16], "and begins with its first");
  assert.deepEqual([...onAxis(fast, Float64Array.of(2, 3, 4), false)], [4, 10, 16]);
  assert.deepEqual([...onAxis(fast, Float64Array.of(2, 3, 4), true)], [4, 8, 16], "straight on a logarithmic plot");
  assert.deepEqual([...onAxis(slow, Float64Array.of(1.75), true)], [100], "towards zero");
  assert.deepEqual([...commonAxis([])], []);
});

test("rates are compared as far as two of them have come", () => {
  assert.equal(comparableEnd(160, []), 160);
  assert.equal(comparableEnd(160, [10, 1.25]), 10, "the newest is ahead");
  assert.equal(comparableEnd(1.25, [160, 10]), 1.25, "the newest is behind");
  assert.equal(comparableEnd(0, [160, 10]), 160, "the newest has not begun");
});

test("a loss is averaged over the last batches", () => {
  assert.deepEqual([...runningMean(Float64Array.of(2, 4, 6, 8), 2)], [2, 3, 5, 7]);
  assert.deepEqual([...runningMean(Float64Array.of(1, Infinity, 1, 1, 1), 2)], [1, Infinity, Infinity, NaN, NaN], "no number after a loss that blew up");
});

test("a run pauses, runs on by as many steps again, and ends", () => {
  assert.equal(nextTarget(40, 100, 1600), 100, "paused before");
  assert.deepEqual([100, 200, 400, 800, 1600].map((target) => nextTarget(target, target, 1600)), [200, 400, 800, 1600, undefined]);
  assert.equal(nextTarget(900, 900, 1600), 1600);
});

test("live parts wait, the newest two of them, unless there is nothing to keep", () => {
  const happened = [];
  const part = (name, isWorthKeeping = true) => ({
    suspend: () => (happened.push(`suspend ${name}`), isWorthKeeping),
    resume: () => happened.push(`resume ${name}`),
    close: () => happened.push(`close ${name}`),
  });
  const kept = new KeptExhibits(2);
  const first = part("a");
  kept.put(3, first);
  kept.put(4, { close: () => happened.push("close cannot wait") });
  kept.put(5, part("empty", false));
  assert.equal(kept.take(4), undefined);
  assert.equal(kept.take(5), undefined);
  assert.equal(kept.take(3), first);
  assert.equal(kept.take(3), undefined, "it is on screen now");
  assert.deepEqual(happened.splice(0), ["suspend a", "close cannot wait", "suspend empty", "close empty", "resume a"]);
  for (const [chapter, name] of [[3, "a"], [6, "b"], [7, "c"]]) kept.put(chapter, part(name));
  assert.deepEqual(happened.splice(0), ["suspend a", "suspend b", "suspend c", "close a"]);
  assert.equal(kept.take(3), undefined);
  kept.clear();
  assert.deepEqual(happened, ["close b", "close c"]);
});
