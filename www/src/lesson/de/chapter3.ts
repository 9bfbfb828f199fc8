// The words of chapter 3, in German.
import type { ChapterText } from "../chapter";

export const text: ChapterText = {
  title: "Drei Kopien und ihre letzten Bits",
  text: [
    "Hier sind drei Kopien eines Netzes, mit denselben Anfangsgewichten, denselben Bildern in derselben Reihenfolge und derselben " +
      "Arithmetik. Sie werden mit k = 1, 3 und 2 trainiert und unterscheiden sich sonst in nichts. Das Rezept ist ein übliches: Lernrate 0.1, " +
      "Momentum 0.9 und ReLU. (Das Netz der Startansicht ist glatt und hat kein Momentum; seine Kopien laufen später auseinander.)",
    "Nach dem ersten Schritt ist etwa jedes hundertste Gewicht bei k = 3 anders als bei k = 1, immer nur in den letzten Bits. Aus " +
      "diesen Gewichten berechnet der nächste Schritt seine Gradienten. Und so jeder Schritt danach.",
    "Unter der Kurve stehen die 32 Bits eines Gewichts, Schritt für Schritt (später jeder zehnte): Wo k = 3 von k = 1 abweicht, " +
      "leuchten sie.",
  ],
  task:
    "Den Lauf starten und die Kurve von k = 3 beobachten. Die Skala ist logarithmisch: Sie zeigt Zehnerpotenzen, und gleiche Höhen " +
    "sind gleiche Faktoren. Dann ein Bit von k = 2 kippen und auf die Lampe „Kontrolle grün“ achten.",
  sight:
    "k = 3 beginnt bei einem Milliardstel und ist nach rund dreißig Schritten über ein Hundertstel hinaus, zehn Millionen Mal so " +
    "weit. k = 2 bleibt bei genau null, solange niemand daran rührt; der Grund kann also nur das Runden sein. Ein gekipptes Bit " +
    "färbt die Lampe rot.",
  teacher: {
    notes: [
      "Der relative L1-Abstand ist der Mittelwert von 2|a − b| / (|a| + |b|) über die Gewichte: 0 bei gleichen Bits, höchstens 2. Zwei " +
        "ResNet-20 mit verschiedenen Startwerten sind 1.4 voneinander entfernt. Nach 100 Schritten eines ResNet-20 auf CIFAR-10 liegen " +
        "k = 3 und k = 1 um 0.56 auseinander, so weit wie jede vom gemeinsamen Anfang (0.54).",
      "„Ein Bit von k = 2 kippen“ zeigt, was eine grüne Lampe wert ist: Ein einziges Bit von 19\u202f954 Parametern fällt auf, schon nach " +
        "einem Schritt. Die gekippte Kopie driftet danach ebenfalls davon, anfangs in den letzten Bits von Hunderten von Gewichten. " +
        "Aufgezeichnete Läufe haben diesen Knopf nicht.",
      "Beide Kopien lernen. Keine ist „die richtige“: Jede ist, was die Formel ergibt, gerundet.",
    ],
    questions: [
      ["Was beweist die Kontrolle?", "Dass die Maschine sich genau wiederholt und dass nur das Runden k = 3 von k = 1 trennt. Ohne sie könnte man die GPU verdächtigen, die Reihenfolge der Summen oder einen Programmfehler."],
      ["Die Kurve ist auf dieser Skala eine Weile gerade. Was heißt das?", "Der Abstand wächst in jedem Schritt um denselben Faktor: exponentielles Wachstum, wie das einer kleinen Störung in einem instabilen System."],
      ["Warum flacht sie oben ab?", "Zwei Netze können nicht weiter auseinanderliegen, als die Gewichte groß sind. Etwas bändigt das Wachstum; Kapitel 5 zeigt, was."],
      ["Würde float64 helfen?", "Der Anfang läge bei 10^-18 statt bei 10^-9. Bei gleichem Wachstum sind damit einige Schritte gewonnen, mehr nicht."],
    ],
  },
};
