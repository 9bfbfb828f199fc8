// German: the lesson, presenter mode and figures in other pages.

export const lesson = {
  "Chapter {number}": "Kapitel {number}",
  "The live part of this chapter": "Der lebendige Teil dieses Kapitels",
  "Reload the page, or choose another chapter.": "Laden Sie die Seite neu, oder wählen Sie ein anderes Kapitel.",
  "The notes on “{title}”": "Die Notizen zu „{title}“",
};
