// German: what is said here and there.

export const rest = {
  "Step {step}: {who} equals {first} in every weight of the convolutions, but not in all other numbers.":
    "Schritt {step}: {who} gleicht {first} in jedem Gewicht der Faltungen, aber nicht in allen anderen Zahlen.",
  "on test images, %": "bei Testbildern, %",
  "on {count} test images, %": "bei {count} Testbildern, %",
  "on all test images, %": "bei allen Testbildern, %",
  "Right of these {count} at step {step}: {answers}.": "Richtig von diesen {count} nach Schritt {step}: {answers}.",
  "Keys p and n": "Tasten p und n",
  "p presents, n opens the notes": "p startet den Vortrag, n öffnet die Notizen",
  "There is no view “{name}”.": "Es gibt keine Ansicht „{name}“.",
  "There is no chapter “{name}”.": "Es gibt kein Kapitel „{name}“.",
  "There is no equation “{name}”.": "Es gibt keine Gleichung „{name}“.",
  "processor, WebAssembly simd128": "Prozessor, WebAssembly simd128",
  "float64 on the processor, because recorded runs were chosen": "float64 auf dem Prozessor, weil aufgezeichnete Läufe gewählt sind",
  "This browser lacks WebAssembly, which the code for a GPU needs.": "Diesem Browser fehlt WebAssembly, das der Code für eine GPU braucht.",
  "Allow WebAssembly in the browser’s settings, or use a current Chrome, Edge, Firefox or Safari.":
    "WebAssembly in den Einstellungen des Browsers erlauben oder ein aktuelles Chrome, Edge, Firefox oder Safari benutzen.",
};
