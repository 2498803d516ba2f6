"""How Sphinx makes a site of the pages of this repository, which stay where they are: `make docs`.

The source folder is the repository itself, so that links between pages are the same here and in a checkout. A link to a
file that is no page (a config, a script, numbers) leads to a copy of that file.
"""

import inspect
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS)]

import cards  # noqa: E402 - it lies beside this file

from mmmix import __version__, core  # noqa: E402
from mmmix.core import Part  # noqa: E402

project = 'mmmix'
release = version = __version__
html_title = f'mmmix {release}'

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon', 'sphinx.ext.viewcode']
root_doc = 'docs/index'
include_patterns = [
    'README.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    'docs/*.md',
    'docs/api/*.md',
    'configs/*/README.md',
    'benchmarks/*.md',
    'projects/*/README.md',
]
# What is never looked into for pages.
exclude_patterns = ['.*', 'build', 'dist', 'docs/_build', 'mmmix', 'tests', 'tools', 'work_dirs', '*.egg-info']
templates_path = ['_templates']

myst_heading_anchors = 3
suppress_warnings = ['toc.not_included']  # pages of single benchmarks are linked by the page of all

autodoc_member_order = 'bysource'
autodoc_typehints = 'none'  # docstrings have the types
autodoc_default_options = {'show-inheritance': True}
napoleon_numpy_docstring = False
napoleon_use_rtype = False

html_theme = 'furo'
html_static_path = ['_static']
html_css_files = ['site.css']
html_copy_source = False
html_show_copyright = False
# The first page is docs/index.html; the folder itself leads there.
html_additional_pages = {'index': 'first_page.html'}


def signature(app: Sphinx, what: str, name: str, obj: Any, *_: Any) -> tuple[str, None] | None:
    """The arguments of a part, which a metaclass hides from Sphinx, without types: the docstring has those."""
    if what != 'class' or not issubclass(obj, Part):
        return None
    takes = list(inspect.signature(obj).parameters.values())
    return f'({", ".join(str(each.replace(annotation=each.empty)) for each in takes)})', None


def leave_out(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Roles belong to the page of the core, whichever room offers them too; the flag of bases is no news."""
    again = what == 'module' and name in core.__all__ and app.env.docname != 'docs/api/core'
    return True if again or name == 'is_abstract' else None


def setup(app: Sphinx) -> None:
    """Put cards in front of the READMEs of methods, and say how classes are shown."""
    app.connect('source-read', cards.add)
    app.connect('autodoc-process-signature', signature)
    app.connect('autodoc-skip-member', leave_out)
