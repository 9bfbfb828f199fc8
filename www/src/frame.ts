// Drawing at most once a frame, however often something changes; in a hidden tab not at all.

const waiting = new Set<() => void>();
let requested = false;

/** Calls `draw` in the next frame, once, however often it is asked for. */
export function inNextFrame(draw: () => void): void {
  waiting.add(draw);
  if (requested) return;
  requested = true;
  requestAnimationFrame(() => {
    requested = false;
    const draws = [...waiting];
    waiting.clear();
    for (const each of draws) each();
  });
}

/** Takes a `draw` back that was asked for. */
export function cancelFrame(draw: () => void): void {
  waiting.delete(draw);
}
