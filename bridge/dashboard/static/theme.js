// Loaded before the page is drawn, so that it never flashes in the wrong colours: the theme that was chosen here before.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // A browser that keeps nothing shows the theme of its system.
}
