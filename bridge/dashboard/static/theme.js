// Applies the stored theme before the page is drawn, so that it does not flash in the wrong colours.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Without storage the page has the theme of the system.
}
