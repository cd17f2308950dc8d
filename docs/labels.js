// What a reader without a screen needs and the theme does not say.
document$.subscribe(() => {
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
  for (const wide of document.querySelectorAll(
    ".md-typeset__scrollwrap, .md-sidebar__scrollwrap, .md-typeset pre > code",
  ))
    wide.setAttribute("tabindex", "0");
});
