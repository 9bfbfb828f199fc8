// The words of chapter 5, in German.
import type { ChapterText } from "../chapter";

export const text: ChapterText = {
  title: "Instabil, aber gebändigt",
  text: [
    "Ein Netz ist nicht linear, und das ändert, was jenseits der Grenze geschieht. Hier ist das kleinste, an dem man es sieht: eine " +
      "einzige Schicht, mit einem einzigen Bild durch einfachen Gradientenabstieg trainiert.",
    "Unterhalb von dt = 0.0322 kommt es zur Ruhe: Sein Verlust ändert sich nicht mehr, und eine kleine Abweichung stirbt aus. Darüber " +
      "wächst eine kleine Abweichung, wie es der Zickzack des Stabs tat. Nur hatte der Stab nichts, was den Zickzack aufhalten konnte.",
    "Die Karte unter den Kurven zeigt für jedes dt, welche Verluste das Netz nach langer Zeit hat: einen Punkt, wo es zur Ruhe kommt.",
  ],
  task: "dt von 0.02 auf 0.07 schieben.",
  sight:
    "Bei 0.02 laufen die Kopien in den letzten Bits auseinander und finden wieder zusammen. Bei 0.07 irrt der Verlust ohne Ende umher, was " +
    "man Chaos nennt, und ein letztes Bit genügt: Der Abstand der Kopien wächst je Schritt im Mittel auf mehr als das Doppelte, bis ihre Verluste " +
    "nichts mehr miteinander zu tun haben. Und doch explodiert keine: Das Netz ist gekrümmt, und fern der Ruhelage drängt es die Gewichte zurück. " +
    "Dazwischen, bis etwa 0.049, springt der Verlust zwischen zwei Werten. Zur Explosion kommt es erst jenseits von 0.1.",
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
      ["Bei 0.07 laufen die Kopien auseinander. Ist eine von ihnen falsch?", "Nein. Nach etwa zwanzig Schritten lassen sich die exakten Gewichte mit 24 Bits nicht mehr berechnen. Wissen lässt sich, wie der Verlust verteilt ist, nicht, wo er bei Schritt 500 ist."],
      ["Woher kennt man ein solches Bild von Verzweigungen?", "Von der logistischen Abbildung x ← r x (1 − x): Sie kommt zur Ruhe, springt, verdoppelt ihre Periode, wird chaotisch und entkommt jenseits von r = 4."],
    ],
  },
};
