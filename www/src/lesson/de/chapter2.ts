// The words of chapter 2, in German.
import type { ChapterText } from "../chapter";

export const text: ChapterText = {
  title: "Durch drei und mal drei",
  text: [
    "Teilt man eine Zahl durch drei und nimmt sie dann mal drei, so ist man auf dem Papier wieder am Anfang.",
    "In float32 wird der Quotient gerundet, und der Fehler kann den Rückweg überleben. Durch 2 oder 4 zu teilen senkt nur den " +
      "Exponenten; dabei geht nichts verloren.",
    "lastbit trainiert Kopien eines Netzes, die sich nur darin unterscheiden. Ein Schritt ändert jedes Gewicht _p_: _p_ ← _p_ − _lr_ · _d_. " +
      "Dabei sagt _d_, in welche Richtung der Fehler wächst, und die Lernrate _lr_, wie weit es in die andere geht. Die Kopie k rechnet _p_ ← _p_ − (_lr_ k) · (_d_ / k). Auf dem Papier ist der Schritt für jedes k derselbe. Für k = 2 sind es " +
      "auch die Bits; für k = 3 kommt manchmal die nächste float32-Zahl heraus, darüber oder darunter. Die Tabelle zeigt beides: _d_ " +
      "allein geteilt und wieder multipliziert, und einen ganzen Schritt.",
  ],
  task: "k = 3 wählen und „100\u202f000 Zahlen probieren“ drücken. Dann dasselbe mit k = 2.",
  sight:
    "Mit k = 3 kommt etwa jede siebte Zahl nicht zurück. Von den Gewichten landet nur etwa jedes hundertste auf der nächsten " +
    "float32-Zahl, darüber oder darunter: Ein Schritt ist viel kleiner als das Gewicht, und das Runden der Summe verdeckt die meisten " +
    "Fehler des Schritts. Mit k = 2 kommt jede Zahl zurück, und kein Gewicht ist anders.",
  teacher: {
    notes: [
      "Das ist die ganze Störung. Niemand fügt Rauschen hinzu, und niemand war nachlässig: Beide Formeln sind richtig, beide " +
        "werden richtig gerundet, und ein Compiler könnte die eine durchaus in die andere verwandeln.",
      "k = 2 ist die Kontrolle des Experiments. Wiche eine Kopie mit k = 2 je von k = 1 ab, so wäre etwas anderes im Spiel als " +
        "das Runden.",
    ],
    questions: [
      ["Warum geht bei einer Zweierpotenz nichts verloren?", "Nur der Exponent ändert sich; die 23 Bits, die gerundet würden, bleiben, wie sie sind (solange die Zahl nicht so klein wird wie 10^-38)."],
      ["Von den Zahlen kommt jede siebte nicht zurück, von den Gewichten ist nur jedes hundertste anders. Warum weniger?", "Ein Schritt ändert ein Gewicht um viel weniger, als das Gewicht selbst groß ist. Ein Fehler im letzten Bit der kleinen Änderung verschwindet meist, wenn sie zum großen Gewicht addiert wird."],
      ["Welche andere harmlose Umformung ändert letzte Bits?", "In anderer Reihenfolge zu addieren: (a + b) + c gegen a + (b + c). Parallele Summen auf einer GPU tun das ständig."],
    ],
  },
};
