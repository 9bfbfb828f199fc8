// The words of chapter 1, in German.
import type { ChapterText } from "../chapter";

export const text: ChapterText = {
  title: "Eine Zahl hat 32 Bits",
  text: [
    "Ein Gewicht eines Netzes ist eine float32-Zahl: Sie ist in 32 Bits gespeichert.",
    "Das erste Bit ist das Vorzeichen. Die nächsten acht sagen, zwischen welchen beiden Zweierpotenzen die Zahl liegt, die " +
      "übrigen 23, wo dazwischen: Sie teilen die Strecke von einer Potenz zur nächsten in 8\u202f388\u202f608 gleiche Stufen. Das sind " +
      "etwa sieben Dezimalstellen, und zwischen zwei Stufen liegt nichts. Jedes Ergebnis jeder Addition und jeder Multiplikation " +
      "wird auf eine von ihnen gerundet.",
    "Deshalb ist 0.1 nicht genau 0.1, sondern die nächstgelegene float32-Zahl.",
  ],
  task: "Das letzte Bit anklicken, das mit dem dicken Rahmen. Dann zum Vergleich ein Bit des Exponenten.",
  sight:
    "Das letzte Bit verschiebt 0.1 um 7.5 Milliardstel, das ist der 13-millionste Teil. Ein Bit des Exponenten nimmt es mal oder " +
    "durch eine Zweierpotenz: Es wird 0.05 oder 3.4 · 10³⁷. Mit einer Änderung der ersten Art beginnt alles in dieser Lektion.",
  teacher: {
    notes: [
      "Die Klasse den genauen Wert von 0.1 raten lassen, bevor sie ihn liest. Dann 16777217 eingeben, die erste ganze Zahl, die " +
        "float32 auslässt: Das Feld antwortet 16777216.",
      "Zwei Minuten genügen. Hängen bleiben muss: *Gerundet wird relativ*. Die Stufe ist etwa 1/10\u202f000\u202f000 der Zahl, ob es " +
        "nun ein Gewicht von 0.01 ist oder ein Verlust von 2.3.",
    ],
    questions: [
      ["Wie viele float32-Zahlen liegen zwischen 1 und 2? Wie viele zwischen 1024 und 2048?", "Je 8\u202f388\u202f608: Von jeder Zweierpotenz bis zur nächsten sind es 2^23 Stufen."],
      ["Warum kann 0.1 keine float32-Zahl sein, und hätte sie noch so viele Bits?", "Ein Binärbruch ist eine ganze Zahl, geteilt durch eine Zweierpotenz. 1/10 hat im Nenner den Faktor 5."],
      ["Was ist 1 + 0.00000005 in float32?", "1. Die Stufe über 1 ist 2^-23, etwa 0.00000012, und weniger als die Hälfte davon wird weggerundet."],
    ],
  },
};
