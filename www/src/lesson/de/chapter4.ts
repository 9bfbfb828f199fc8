// The words of chapter 4, in German.
import type { ChapterText } from "../chapter";

export const text: ChapterText = {
  title: "Ein zu langer Schritt",
  text: [
    "Der Gradientenabstieg folgt einem glatten Weg in Schritten, und die Lernrate ist die Länge eines Schritts. Ebenso lösen " +
      "Rechner Differentialgleichungen. Eine einfache beschreibt die Wärme in einem Stab: Jeder Punkt bewegt sich auf das Mittel " +
      "seiner Nachbarn zu, _u_ ← _u_ + dt (links − 2 _u_ + rechts). Am Anfang ist die Wärme ein Zelt: in der Mitte heiß, an beiden Enden kalt.",
    "Das schnellste Muster ist ein Zickzack von Punkt zu Punkt. Auf diesem Stab mit 31 Punkten multipliziert ihn ein Schritt mit " +
      "1 − 3.989 dt, was immer der Stab sonst tut. Solange dieser Faktor zwischen −1 und 1 liegt, stirbt der Zickzack aus. Bei " +
      "dt = 0.501 erreicht der Faktor −1: Das ist die Grenze.",
  ],
  task: "dt von 0.4 über die Grenze schieben, bis etwa 0.55.",
  sight:
    "Bis dt = 0.50137 sinkt das Zelt glatt in sich zusammen. Ein wenig darüber wächst ein Zickzack aus fast nichts, in jedem " +
    "Schritt um denselben Faktor, und hört nie auf: Auf der logarithmischen Skala folgt er der geraden Linie der Theorie. So klein er auch " +
    "war, er wächst: Ein Rundungsfehler genügt. Unterhalb der Grenze sinkt er nur bis auf ein Hundertmillionstel: Jeder Schritt rundet ein wenig davon wieder hinein.",
  teacher: {
    notes: [
      "Den Schritt für einen reinen Zickzack u = (+1, −1, +1, …) anschreiben: links − 2u + rechts = −4u, also u ← (1 − 4 dt) u. Auf " +
        "einem endlosen Stab liegt die Grenze bei dt = 1/2. Mit 31 Punkten und festen Enden ist das schnellste Muster etwas langsamer: Aus 4 " +
        "wird 4 sin²(29π/60) = 3.989, und die Grenze liegt bei 2/3.989 = 0.50137.",
      "Der Zickzack steckt schon im Anfang: Der Knick des Zelts enthält von jedem Muster ein wenig. Ohne ihn brächte das Runden den " +
        "Zickzack hinein. Das ist bei dt = 0.4 zu sehen: In der Theorie verschwindet er, der berechnete aber bleibt bei einem " +
        "Hundertmillionstel stehen, weil jeder Schritt etwas davon wieder hineinrundet.",
      "Dieselbe Rechnung gilt für den Gradientenabstieg auf einer Parabel der Krümmung λ: _w_ ← (1 − dt λ) _w_, stabil unterhalb von " +
        "dt = 2/λ.",
    ],
    questions: [
      ["Nach wie vielen Schritten ist der Zickzack bei dt = 0.53 tausendmal so groß? Am Diagramm prüfen.", "Der Faktor ist 1 − 3.989 · 0.53 = −1.1142. ln 1000 / ln 1.1142 = 64 Schritte: von 0.0033 am Anfang auf 3.3."],
      ["Braucht der Zickzack das Zelt?", "Nein. Die Gleichung ist linear: Jedes Muster wird mit seiner eigenen Zahl multipliziert, unabhängig von allen anderen."],
      ["Was würde das Wachstum aufhalten?", "In dieser Gleichung nichts. Dazu bräuchte es etwas Nichtlineares."],
    ],
  },
};
