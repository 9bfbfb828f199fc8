// The words of chapter 7, in German.
import type { ChapterText } from "../chapter";

export const text: ChapterText = {
  title: "Die Lernrate wählen",
  text: [
    "Ein großes Netz tut dasselbe, in so vielen Dimensionen, wie es Gewichte hat. Bei einer gegebenen Lernrate sind einige Richtungen instabil, und " +
      "Rundungsfehler wachsen an ihnen entlang, bis die Nichtlinearität des Netzes sie bändigt. Ein kürzerer Schritt lässt weniger " +
      "solche Richtungen übrig.",
    "Hier ist das Netz glatt: Seine Neuronen biegen ihre Eingabe in einer Kurve (Swish) statt in einem Knick (ReLU). Und kein Schritt " +
      "wiederholt einen Teil des vorigen (kein Momentum). Beides ist wie im Experiment der Forschungsarbeit, um die es auf dieser Seite geht. Bilder " +
      "und Anfangsgewichte sind bei jeder Rate dieselben.",
    "Ein kürzerer Schritt lernt auch weniger. Gerecht ist der Vergleich nach gleicher *Lernzeit*, das ist Rate mal Zahl der " +
      "Schritte: 800 Schritte mit 0.0125 führen so weit wie 100 Schritte mit 0.1.",
  ],
  task:
    "Mit der höchsten Rate starten, dann mit 0.1 und mit 0.0125. Die Verluste lesen: Was hat das Netz jedes Mal gelernt? „Lernzeit“ wählen und " +
    "0.0125 weiterlaufen lassen, bis Schritt 800.",
  sight:
    "Nach 100 Schritten ist k = 3 bei 1.6 mehr als ein Zehntel entfernt, bei 0.1 ein Hunderttausendstel oder weniger, obwohl das Netz dort " +
    "nicht weniger gelernt hat. Bei 0.0125 hat das Netz bis dahin so gut wie nichts gelernt: Sein Verlust ist fast der des bloßen Ratens unter zehn " +
    "Klassen, ln 10 = 2.3. " +
    "Bei Schritt 800 ist er etwa 1.5, tiefer als der von 0.1 nach gleicher Lernzeit, und noch immer trennen, von einzelnen Schritten abgesehen, nur einige Millionstel die Kopien. Bei der Lernzeit darauf achten, wie viele Schritte eine Kurve hat: Mit 1.6 führen " +
    "wenige Schritte ebenso weit, zu wenige, als dass etwas wachsen könnte.",
  teacher: {
    notes: [
      "Aufmerksame Studierende wenden ein: „Bei 0.0125 ist nichts gelernt, kein Wunder, dass nichts auseinanderläuft.“ Das zweite Diagramm " +
        "und die Lernzeit geben die Antwort: Die Diagramme enden, wo der neueste Lauf endet, und die Zahlen in der Legende sind die zu " +
        "dieser Zeit. Bei der Lernzeit 40 ist der Verlust 1.4 mit 0.4 (100 Schritte), 1.1 mit 0.2 (200), 0.8 mit 0.1 (400) und 0.9 mit 0.05 " +
        "(800), und der Abstand ist 0.3, weniger als 0.001, weniger als 0.0001 und etwa 0.00001.",
      "Genau sagen, was eine kleinere Rate bewirkt. Bei diesem glatten Netz ohne Momentum verschwindet das Wachstum fast ganz: Mit 0.1 " +
        "liegen die Kopien nach 1600 Schritten etwa 0.0001 auseinander. Mit ReLU und Momentum 0.9, dem üblichen Rezept, wird es langsamer, " +
        "verschwindet aber nicht: Ein ResNet-20 auf CIFAR-10 mit Momentum ist bei Lernrate 0.003 nach 60 Schritten 0.05 auseinander statt " +
        "0.5 wie bei 0.1. ReLU hat einen Knick, und auf welche Seite davon eine Zahl fällt, kann ein letztes Bit entscheiden.",
      "Tiefere Netze brauchen kleinere Raten: Ein ResNet-20 mit Swish, Batchgröße 128 und ohne Momentum ist bei 0.05 nach 200 Schritten " +
        "0.08 auseinander, bei 0.003 tausend Schritte lang weniger als ein Hunderttausendstel.",
      "Das ist kein Rat, mit 0.003 zu trainieren. Es geht darum, was eine gemeldete Trefferquote bedeutet: Zwei richtige Läufe desselben " +
        "Rezepts können so weit auseinanderliegen wie zwei Startwerte.",
    ],
    questions: [
      ["Warum dann nicht immer die kleine Rate wählen?", "Jeder Schritt kostet gleich viel, und 0.0125 braucht achtmal so viele wie 0.1, um ebenso viel zu lernen. In der Praxis finden lange Schritte zudem bessere Lösungen. Die Instabilität ist der Preis."],
      ["Eine Kollegin hat ein Netz um 0.3 % verbessert. Was fragen Sie?", "Wie weit liegen Läufe auseinander, die sich nur im letzten Bit oder nur im Startwert unterscheiden? Ein Unterschied innerhalb dieser Streuung ist keine Verbesserung."],
      ["Welche Zahl sagt, bis zu welcher Rate eine Richtung stabil ist?", "Ihre Krümmung λ: 2/λ ohne Momentum, für den linearisierten Schritt. Wieder Kapitel 4."],
    ],
  },
};
