// float32 as bits: the form in which weights leave the GPU, so that no bit is lost.

/** The numbers of replica `r` in bits `[R][count]`. */
export function floatsOf(bits: Uint32Array, r: number, count: number): Float32Array {
  return new Float32Array(Uint32Array.from(bits.subarray(r * count, (r + 1) * count)).buffer);
}

/** The float32 with these 32 bits. */
export function floatOf(bits: number): number {
  return new Float32Array(Uint32Array.of(bits).buffer)[0]!;
}

/** Distance of two floats in units of the last place, counted as core does: along the line of all floats, through zero. */
export function ulps(a: number, b: number): number {
  const place = (bits: number) => (bits >>> 31 === 1 ? -(bits & 0x7fff_ffff) : bits);
  return Math.abs(place(a) - place(b));
}
