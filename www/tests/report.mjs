// Reports a run of tests, for `cargo xtask test`.
import { createWriteStream } from "node:fs";
import { tap } from "node:test/reporters";

/** A line for each test: its seconds, a tab, its name. */
async function* times(events) {
  for await (const { type, data } of events) {
    if ((type === "test:pass" || type === "test:fail") && data.nesting === 0) yield `${data.details.duration_ms / 1000}\t${data.name}\n`;
  }
}

/** Prints the events of `run` of `node:test`, and makes the program fail if a test fails. LASTBIT_TEST_TIMES names a file for {@link times}. */
export function report(events) {
  events.on("test:fail", () => (process.exitCode = 1));
  events.compose(tap).pipe(process.stdout);
  const file = process.env.LASTBIT_TEST_TIMES;
  if (file !== undefined) events.compose(times).pipe(createWriteStream(file, { flags: "a" }));
}
