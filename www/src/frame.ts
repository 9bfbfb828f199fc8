// Drawing at most once a frame, however often something changes, and never so much that the page has no time for its
// reader; in a hidden tab not at all.

/** Drawing takes at most one part in so many of the time; but nothing waits longer than this for it. */
const SHARE = 3;
const LONGEST_REST_MS = 200;

const waiting = new Set<() => void>();
let requested = false;
/** Milliseconds; no drawing before. */
let restUntil = 0;

function frame(now: number): void {
  if (now < restUntil) {
    requestAnimationFrame(frame);
    return;
  }
  requested = false;
  const draws = [...waiting];
  waiting.clear();
  const started = performance.now();
  for (const draw of draws) draw();
  const ended = performance.now();
  restUntil = ended + Math.min((SHARE - 1) * (ended - started), LONGEST_REST_MS);
}

/** Calls `draw` in one of the next frames, once, however often it is asked for. */
export function inNextFrame(draw: () => void): void {
  waiting.add(draw);
  if (requested) return;
  requested = true;
  requestAnimationFrame(frame);
}

/** Takes a `draw` back that was asked for. */
export function cancelFrame(draw: () => void): void {
  waiting.delete(draw);
}
