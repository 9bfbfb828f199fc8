// Generates small files of data sets.

function word(value) {
  return Buffer.from([value >>> 24, value >>> 16, value >>> 8, value].map((byte) => byte & 255));
}

/** `n` images of 28 x 28 as an IDX file: a bright square whose position shows its class. */
export function images(n) {
  const pixels = Buffer.alloc(n * 784);
  for (let i = 0; i < n; i++) {
    for (let at = 0; at < 784; at++) {
      const [x, y] = [at % 28, Math.floor(at / 28)];
      pixels[i * 784 + at] = Math.abs(x - 2 * (i % 10) - 5) < 4 && Math.abs(y - 14) < 6 ? 200 + (i % 50) : 10;
    }
  }
  return Buffer.concat([word(0x803), word(n), word(28), word(28), pixels]);
}

/** Labels of {@link images} as an IDX file. */
export function labels(n) {
  return Buffer.concat([word(0x801), word(n), Buffer.from(Array.from({ length: n }, (_, i) => i % 10))]);
}
