// Draws at most once a frame, however often something changes, and leaves the page time to respond. In a hidden tab nothing
// is drawn.

/** Drawing takes at most one part in `SHARE` of the time. */
const SHARE = 3;
/** No drawing waits longer than this for the sake of `SHARE`. */
const LONGEST_REST_MS = 200;

const waiting = new Set<() => void>();
let requested = false;
/** Nothing is drawn before this time, in milliseconds. */
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

/** Calls `draw` once in one of the next frames, however often it is requested. */
export function inNextFrame(draw: () => void): void {
  waiting.add(draw);
  if (requested) return;
  requested = true;
  requestAnimationFrame(frame);
}

/** Cancels a requested `draw`. */
export function cancelFrame(draw: () => void): void {
  waiting.delete(draw);
}
