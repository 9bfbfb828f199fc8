// Opens recorded runs. Few visitors need them, so their code loads with the first one.
import type { Player } from "./player";

/** A player of the run `name`, paused at its beginning. Throws an `Error` with a message of one line. */
export async function openRecording(name: string): Promise<Player> {
  const [{ fetchRecording }, { Player }] = await Promise.all([import("./format"), import("./player")]);
  return new Player(await fetchRecording(name));
}
