// The places of a talk in order: the first view, the chapters of the lesson, the lab. For each, what the teacher's window shows.
import { t } from "../language/language";
import { CHAPTERS } from "../lesson/lesson";
import type { ChapterText } from "../lesson/chapter";
import { placeOfLink } from "./address";

type Notes = ChapterText["teacher"];

/** A place. */
export interface Place {
  /** Its path in an address. */
  path: string;
  title: string;
  load: () => Promise<Notes>;
}

const FIRST_VIEW: Notes = {
  notes: [
    t("The run starts by itself. Say what the three copies share: starting weights, images and their order. k = 3 differs by rounding alone."),
    t("Move the slider to its left end: the copies stay together. Move it back: they part. The lesson says why."),
  ],
  questions: [[t("Which copy is wrong?"), t("None. Each is what its formula gives, rounded. The control, k = 2, shows that the machine repeats itself exactly.")]],
};

const LAB: Notes = {
  notes: [
    t("Ask the class for a setting that would keep the copies together, and try it: a lower learning rate, Swish in place of ReLU, another seed."),
    t("“Copy link” gives the class the same run, and the command line below it repeats the run with the native program."),
  ],
  questions: [[t("What would you have to report so that somebody else gets your bits?"), t("The settings and the seed, the order of the sums, and the class of arithmetic of the device. docs/FINGERPRINTS.md lists runs to compare with.")]],
};

/** All places, in order. */
export const PLACES: readonly Place[] = [
  { path: "home", title: t("The first view"), load: async () => FIRST_VIEW },
  ...CHAPTERS.map(({ title, load }, index) => ({ path: `lesson/${index + 1}`, title, load: async () => (await load()).teacher })),
  { path: "lab", title: t("The lab"), load: async () => LAB },
];

/** The place called `path`; the first one if there is none. */
export function place(path: string | undefined): Place {
  return PLACES.find((one) => one.path === path) ?? PLACES[0]!;
}

/** The place `by` places after `path`; `undefined` beyond the ends. */
export function neighbour(path: string, by: number): Place | undefined {
  return PLACES[PLACES.indexOf(place(path)) + by];
}

/** The path of the place that a link or `location.hash` names. */
export function pathOfLink(link: string): string | undefined {
  return placeOfLink(link, CHAPTERS.length);
}
