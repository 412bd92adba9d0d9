"""Settings of the documentation site: ``make docs``. What is made from the code comes from ``dev/docs.py``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_provider_objectstore import __version__

project = "airflow-provider-objectstore"
copyright = "the authors, Apache License 2.0"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "dev.docs"]
exclude_patterns = ["**/_*"]

# The anchors are GitHub's: every page must also be readable there.
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline"]

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True

nitpicky = True
# Neither Airflow, Python nor what is private here is on this site. What a docstring refers to by its full name must be.
nitpick_ignore_regex = [
    ("py:.*", r"(?!airflow_provider_objectstore\.).*"),
    ("py:(class|obj)", r".*\.(T|Region|KeyHook|S3Backend|Call|Page|BucketSessions)"),
]

# Kept up all through the year, with search on every page; NumPy, pandas and astronomer-cosmos use it. The look of
# Airflow's own site is in no package that is kept up.
html_theme = "pydata_sphinx_theme"
html_title = project
html_show_sourcelink = False
html_theme_options = {"show_prev_next": True, "navigation_with_keys": False, "secondary_sidebar_items": ["page-toc"]}

linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_ignore = [r"http://(127\.0\.0\.1|localhost).*"]
