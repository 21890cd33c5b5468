"""The settings of Sphinx: python -m sphinx -W docs docs/_build."""

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "alexbench"
version = release = PROJECT["version"]
copyright = "the alexbench authors"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # types of other packages are not linked
myst_heading_anchors = 3
autodoc_typehints = "signature"
html_theme = "pydata_sphinx_theme"
html_title = "alexbench"
html_theme_options = {
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "show_prev_next": False,
}
html_sidebars = {"**": []}  # the header has every page
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_show_sourcelink = False

REPOSITORY = PROJECT.get("urls", {}).get("Repository")
OUTSIDE = re.compile(r"(?<!!)\[([^\]]+)\]\(\.\./([^)\s]+)\)")  # a link out of docs/, not a picture


def leave_docs(app: Any, name: str, source: list[str]) -> None:
    """Links to files outside docs/ become links into the repository, or the name of the file."""

    def link(match: re.Match[str]) -> str:
        text, path = match.groups()
        if REPOSITORY:
            return f"[{text}]({REPOSITORY}/blob/HEAD/{path})"
        return text if text.strip("`") in path else f"{text} (`{path}`)"

    source[0] = OUTSIDE.sub(link, source[0])


def setup(app: Any) -> None:
    """Connect what is changed in pages before they are parsed."""
    app.connect("source-read", leave_docs)
