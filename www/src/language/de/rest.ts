// German: what is said here and there.

export const rest = {
  "Step {step}: {who} equals {first} in every weight of the convolutions, but not in all other numbers.":
    "Schritt {step}: {who} gleicht {first} in jedem Gewicht der Faltungen, aber nicht in allen anderen Zahlen.",
};
