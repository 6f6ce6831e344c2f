"""How the documentation is built: Sphinx over MyST pages, the reference from docstrings, every warning an error."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import refold

if TYPE_CHECKING:
    from docutils.nodes import Element, reference
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "refold"
author = "the refold developers"
project_copyright = "2026, the refold developers"
version = release = refold.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "refold"
html_static_path = ["_static"]
html_css_files = ["tables.css"]

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # a default that is a function has an address for its name, otherwise
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
python_display_short_literal_types = True

# The built-in `type` in an annotation is taken for any field of that name; missing targets are still errors, see below.
suppress_warnings = ["ref.python"]

nitpicky = True
nitpick_ignore_regex = [
    # Types of the standard library and of attrs are not linked: the pages must build without a network.
    (r"py:.*", r"(?!refold).*"),
    # Type variables and aliases, and the classes behind `yield from` whose fields are nobody's business.
    (r"py:.*", r"refold(_adapters)?\.(.*\.)?(_\w+|[A-Z]|\w+_co|Plain|PlainDict)"),
    (r"py:.*", r"refold\.(effects|waits|declare|methods)\.\w+"),
    (r"py:.*", r"refold\.(divergence\.Produced|state\.Ledger)"),
    # What the client and the worker of one engine share, and keywords that docs/reference/options.md lists; nobody else makes one.
    (
        r"py:.*",
        r"refold_adapters\.(turns|waiting)\.\w+\.\w+|refold_adapters\.client\.standalone\.ActivityKeywords",
    ),
]

#: Where names are documented, and so imported from, whatever module defines them.
FACES = (
    "refold",
    "refold.events",
    "refold_adapters",
    "refold_adapters.ports",
    "refold_adapters.testing",
    "refold_adapters.simulation",
)


def resolve_public_name(
    app: Sphinx, env: BuildEnvironment, node: Element, content: Element
) -> reference | None:
    """A class is documented where users import it from, while annotations name the module that defines it."""
    defined_in, _, name = str(node.get("reftarget", "")).rpartition(".")
    for face in FACES:
        if f"{defined_in}.".startswith(f"{face}.") and name in importlib.import_module(face).__all__:
            break
    else:
        return None
    domain: Any = env.get_domain("py")
    found: reference | None = domain.resolve_xref(
        env, node["refdoc"], app.builder, "obj", f"{face}.{name}", node, content
    )
    return found


def setup(app: Sphinx) -> None:
    app.connect("missing-reference", resolve_public_name)
