"""How Sphinx builds the documentation: offline, and with warnings as errors."""

import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
sys.path.insert(0, str(CHECKOUT))

from wriftai_anyio import __version__  # noqa: E402 -- from this checkout

project = "wriftai_anyio"
author = "the authors of wriftai_anyio"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "docs.public_api",
]
exclude_patterns = ["_build"]
nitpicky = True
# What other packages document is text: the build is offline. So are type variables, and words that look like names.
nitpick_ignore_regex = [("py:.*", r"(?!wriftai_anyio\.).*|.*\.T"), ("py:obj", ".*")]
default_role = "literal"  # single backticks in docstrings, as in the guides
show_authors = False
python_maximum_signature_line_length = 72
toc_object_entries_show_parents = "hide"

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
add_module_names = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True

copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = "wriftai_anyio"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_js_files = ["labels.js"]
html_use_index = html_domain_indices = False  # the search finds more, and fits a phone
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
