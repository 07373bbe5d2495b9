"""report.html: one self-contained page of a build, to be looked at; the same report and rows give the same bytes."""

from syneg_data.report.page.page import CONFIGS, page_of, render_page

__all__ = ["CONFIGS", "page_of", "render_page"]
