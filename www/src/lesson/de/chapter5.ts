// The words of chapter 5, in German.
import type { ChapterText } from "../chapter";

export const text: ChapterText = {
  title: "Instabil, aber gebändigt",
  text: [
    "Ein Netz ist nicht linear, und das ändert, was jenseits der Grenze geschieht. Hier ist das kleinste, an dem man es sieht: eine " +
      "einzige Schicht, mit einem einzigen Bild durch einfachen Gradientenabstieg trainiert.",
    "Unterhalb von dt = 0.0322 kommt es zur Ruhe. Darüber ist die Ruhelage instabil, wie es der Stab war, doch das Wachstum ist " +
      "begrenzt: Die Aktivierung krümmt sich und drängt die Gewichte zurück. Der Verlust springt zuerst zwischen zwei Werten, und ab " +
      "etwa 0.049 irrt er ohne Ende umher: Chaos. Zur Explosion kommt es erst jenseits von 0.1.",
    "Wo er umherirrt, genügt ein letztes Bit: Die Kopien mit k = 1 und k = 3 laufen auseinander. Ihr Abstand wächst, bis er so groß " +
      "ist wie die Bahn.",
  ],
  task: "dt von 0.02 auf 0.07 schieben.",
  sight:
    "Bei 0.02 laufen die Kopien in den letzten Bits auseinander und finden wieder zusammen. Bei 0.07 wächst ihr Abstand je Schritt im " +
    "Mittel auf mehr als das Doppelte, bis die beiden Verluste nichts mehr miteinander zu tun haben; und doch explodiert keine.",
  teacher: {
    notes: [
      "Die Originalarbeit nennt das „restrained instability“, *gebändigte Instabilität*: lokal instabil, global beschränkt. Genau das " +
        "tun große Netze bei den üblichen Lernraten.",
      "Die Grenze ist 2 / Schärfe. Die Schärfe ist die größte Krümmung des Verlusts am Minimum: wieder das 1 − dt λ aus Kapitel 4.",
      "0.06 ausprobieren: Mitten im Chaos gibt es Fenster, in denen der Verlust zwischen vier Werten springt und die Kopien wieder " +
        "zusammenfinden.",
    ],
    questions: [
      ["Warum wächst der Abstand nicht für immer?", "Beide Kopien bleiben im selben beschränkten Gebiet. Zwei Punkte darin können nicht weiter auseinanderliegen, als das Gebiet breit ist."],
      ["Bei 0.07 laufen die Kopien auseinander. Ist eine von ihnen falsch?", "Nein. Nach etwa zwanzig Schritten lässt sich die exakte Bahn mit 24 Bits nicht mehr berechnen. Wissen lässt sich, wie der Verlust verteilt ist, nicht, wo er bei Schritt 500 ist."],
      ["Woher kennt man ein solches Bild von Verzweigungen?", "Von der logistischen Abbildung x ← r x (1 − x): Sie kommt zur Ruhe, springt, verdoppelt ihre Periode, wird chaotisch und entkommt jenseits von r = 4."],
    ],
  },
};
