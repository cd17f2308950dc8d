"""Runs the notebooks and keeps their outputs: python docs/notebooks.py.

A notebook runs in this process, without Jupyter. What a cell prints, and what its last
line is, are its output. `as_markdown` makes the page of the site.
"""

import ast
import base64
import contextlib
import io
import json
import pathlib

FOLDER = pathlib.Path(__file__).parent / "notebooks"


def read(path):
    """A notebook as a dict."""
    return json.loads(path.read_text("utf-8"))


def run(notebook):
    """The outputs of each code cell: a list of lists of Jupyter's dicts."""
    names = {"__name__": "notebook"}
    return [
        outputs("".join(cell["source"]), names)
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def outputs(code, names):
    """What a cell prints, and what its last line is, where that is an expression."""
    body = ast.parse(code).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(ast.Module(body, []), "cell", "exec"), names)
        shown = last and eval(
            compile(ast.Expression(last.value), "cell", "eval"), names
        )
    kept = []
    if said.getvalue():
        text = said.getvalue().splitlines(keepends=True)
        kept.append({"output_type": "stream", "name": "stdout", "text": text})
    if shown is not None:
        data = {"data": as_data(shown), "metadata": {}}
        kept.append({"output_type": "display_data", **data})
    return kept


def as_data(shown):
    """A figure as a PNG, all else as text."""
    if not hasattr(shown, "savefig"):
        return {"text/plain": [repr(shown)]}
    file = io.BytesIO()
    shown.savefig(file, format="png", dpi=80)
    return {"image/png": base64.b64encode(file.getvalue()).decode()}


def texts(kept):
    """The words of a cell's outputs, one str each; "" of a picture."""
    return [
        "".join(each.get("text") or each.get("data", {}).get("text/plain", []))
        for each in kept
    ]


def as_markdown(notebook, name):
    """The page of a notebook, and its pictures.

    Returns:
        `(markdown, pictures)`: str, and dict from a file's name to PNG bytes.
    """
    parts, pictures = [], {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        parts.append(
            f"```python\n{source}\n```" if cell["cell_type"] == "code" else source
        )
        for each in cell.get("outputs", []):
            image = each.get("data", {}).get("image/png")
            if image:
                file = f"{name}_{len(pictures)}.png"
                pictures[file] = base64.b64decode(image)
                parts.append(f"![what the cell above draws]({file})")
            else:
                parts.append(f"```text\n{''.join(texts([each]))}\n```")
    return "\n\n".join(parts) + f"\n\n[The notebook]({name}.ipynb)\n", pictures


def main():
    """Runs each notebook and writes its outputs into it."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        notebook = read(path)
        cells = [c for c in notebook["cells"] if c["cell_type"] == "code"]
        for number, (cell, kept) in enumerate(zip(cells, run(notebook)), 1):
            cell |= {"outputs": kept, "execution_count": number}
        path.write_text(json.dumps(notebook, indent=1) + "\n")
        print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
