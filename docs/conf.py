"""How Sphinx sets the site; `tools/make_docs.py` lays out what it reads, and runs it."""

from latentfx_nb import __version__

project = "LatentFX"
author = "The LatentFX developers"
project_copyright = "2026, The LatentFX developers"
version = release = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc"]
nb_execution_mode = "off"  # they were executed by tools/make_docs.py
nb_ipywidgets_js = {}  # no page has a live widget
nb_render_image_options = {"align": "left"}
myst_heading_anchors = 3
myst_enable_extensions = []
default_role = "code"  # docstrings write `name`
suppress_warnings = ["mystnb.unknown_mime_type"]

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "LatentFX"
html_static_path = ["_static"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False


def setup(app) -> None:
    """Load plotly's one file on pages that have a figure, and on no other."""
    app.connect("html-page-context", _load_plotly)


def _load_plotly(_app, _page, _template, context, _doctree) -> None:
    if "Plotly.newPlot" in context.get("body", ""):  # in the head: figures are drawn while the body is read
        source = context["pathto"]("_static/plotly.min.js", resource=True)
        context["metatags"] += f'<script src="{source}"></script>'
