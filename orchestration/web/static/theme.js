// Applies the theme that the reader chose. It runs before the first paint, so that nothing flashes.
"use strict";
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Without storage (a private window), the system's theme applies.
}
