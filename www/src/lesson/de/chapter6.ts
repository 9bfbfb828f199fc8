// The words of chapter 6, in German.
import type { ChapterText } from "../chapter";

export const text: ChapterText = {
  title: "Sharpness und 2 / Lernrate",
  text: [
    "In einem großen Netz hat jede Richtung ihre eigene Krümmung; die größte heißt *Sharpness*. Ein Schritt des Gradientenabstiegs ist stabil, " +
      "wo die Sharpness unter 2 / Lernrate liegt, wie 1 − dt λ beim Stab. Ist das Training also stabil? Das hängt davon ab, wohin es geht.",
    "Hier lernt ein kleines Netz 128 Bilder, in jedem Schritt alle. Alle zehn Schritte misst die Seite die Sharpness des Verlusts: den größten Eigenwert " +
      "der Matrix der zweiten Ableitungen. Die gestrichelte Linie ist 2 / Lernrate.",
    "Darunter steht der Abstand der Kopien, die sich wie bisher nur im Runden unterscheiden.",
  ],
  task: "Mit 0.05 starten, bis zum Ende. Dann mit 0.1 und mit 0.025: Der vorige Lauf bleibt als punktierte Kurve stehen.",
  sight:
    "Mit 0.05 beginnt die Sharpness bei 13, weit unter 2 / 0.05 = 40, und steigt. Etwa bei Schritt 110 überschreitet sie 40, geht bis etwa 50 und bleibt ab Schritt 180 nahe 40. " +
    "Von einzelnen Schritten abgesehen trennt die Kopien bis Schritt 130 weniger als ein Millionstel; 30 Schritte später sind sie mehr als tausendmal so weit auseinander. Mit 0.1 überschreitet die Sharpness innerhalb von 30 Schritten 20, " +
    "bis Schritt 50 sind die Kopien auseinandergelaufen, und am Ende bleibt sie nahe 20. Mit 0.025 erreicht sie 80 nicht, und die Kopien bleiben beisammen.",
  teacher: {
    notes: [
      "Cohen et al. (2021) haben beides benannt: *progressive sharpening*, und den *edge of stability* bei 2 / Lernrate, an dem der Verlust von Schritt zu Schritt springt und über " +
        "viele Schritte doch fällt. Die Forschungsarbeit, um die es auf dieser Seite geht, hat dieselbe Schwelle, 2 / dt, aus der Analyse einer partiellen Differentialgleichung, und zeigt dazu, was Rundungsfehler dort tun " +
        "(NeurIPS 2022; als Zeitschriftenartikel: Journal of Machine Learning Research 25(174), 2024).",
      "Die zweite Kurve, Batch Sharpness, ist die Krümmung entlang des Gradienten. Unter der Grenze liegt sie nahe 0, weil der Gradient in Richtungen kleiner Krümmung zeigt. " +
        "Jenseits der Grenze laufen die Schritte im Zickzack entlang der schärfsten Richtung, und sie steigt auf 2 / Lernrate.",
      "Genau sagen, was dieser Lauf ist: ganze Batches, kein Momentum, quadratischer Fehler, eine glatte Aktivierung. Mit kleinen Batches kommt die Batch Sharpness bei 2 / Lernrate zur Ruhe, " +
        "nicht der größte Eigenwert, und Momentum verschiebt die Grenze. `lastbit reproduce edge` probiert solche Läufe.",
      "Die Messung ändert kein Bit des Laufs. Die Lampe gilt der Kontrolle, wie in Kapitel 3.",
    ],
    questions: [
      ["Warum steigt die Sharpness nicht weiter?", "Jenseits der Grenze laufen die Gewichte im Zickzack entlang der schärfsten Richtung. Der Verlust ist keine Parabel: Ein solcher Zickzack schiebt die Gewichte dorthin, wo die Sharpness kleiner ist. Dort stirbt er aus, und die Sharpness steigt wieder."],
      ["Laufen die Kopien auseinander, weil die Sharpness groß ist?", "Nein: weil sie über 2 / Lernrate liegt. Mit 0.1 laufen sie bei einer Sharpness von etwa 30 auseinander, über 20. Mit 0.025 bleiben sie bei 44 beisammen, unter 80."],
      ["Welche Sharpness ist bei Lernrate 0.04 zu erwarten?", "2 / 0.04 = 50, wenn das Training lange genug dauert, um dorthin zu kommen. Den Lauf im Labor öffnen und seine Lernrate ändern."],
    ],
  },
};
