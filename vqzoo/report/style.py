"""The looks of the page: dark text on white, one column on a narrow screen."""

CSS = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; background: #fff;
  color: #1a1a1a; font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.25rem; margin: 0 0 .25rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p { max-width: 46rem; margin: .4rem 0; }
a { color: #0b4f8a; }
nav ul { columns: 15rem; padding-left: 1.2rem; }
section { border-top: 2px solid #c8c8c8; margin-top: 2rem; padding-top: 1rem; }
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: .9rem; }
summary { font-weight: 600; margin: 1rem 0 .25rem; cursor: pointer; }
th, td { padding: .25rem 1.25rem .25rem 0; text-align: right; vertical-align: top;
  border-bottom: 1px solid #d8d8d8; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
td.words { text-align: left; }
thead th { border-bottom: 2px solid #767676; }
.figures { display: grid; gap: 1rem 2rem; margin-top: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
figure { margin: 0; min-width: 0; }
figure.wide { grid-column: 1 / -1; }
figure img { display: block; max-width: 100%; height: auto; }
figcaption { max-width: 46rem; font-size: .9rem; margin-bottom: .4rem; }
figcaption strong { display: block; font-size: 1rem; }
.remark { border-left: 4px solid #0b4f8a; padding-left: .75rem; }
.skipped { color: #4a4a4a; font-size: .9rem; }
footer { margin-top: 2rem; color: #4a4a4a; font-size: .9rem; }
"""
