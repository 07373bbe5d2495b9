"""docs/python.md is one notebook: its blocks run in order and print what stands below them."""

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "python.md"
BLOCK = re.compile(r"^```python( slow)?\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def blocks(page):
    """(slow, code, what it prints) of every block of Python."""
    return [(bool(slow), code, shown or "") for slow, code, shown in BLOCK.findall(page)]


def printed(code, names):
    sink = io.StringIO()
    with contextlib.redirect_stdout(sink):
        exec(compile(code, str(PAGE), "exec"), names)
    return sink.getvalue()


@pytest.fixture
def notebook(tmp_path, monkeypatch, root, fresh_cache):
    """A working directory with the shipped data and models, in which anything may be written."""
    recipes = tmp_path / "work" / "recipes"
    recipes.mkdir(parents=True)
    for name in ("data", "models"):
        (recipes / name).symlink_to(root / "recipes" / name)
    monkeypatch.chdir(recipes.parent)


def test_every_block_of_python_is_found():
    page = PAGE.read_text()
    assert len(blocks(page)) == page.count("```python") > 10
    assert sum(bool(shown) for _, _, shown in blocks(page)) == page.count("```text")


def test_the_page_prints_what_it_says(notebook):
    names = {}
    for slow, code, shown in blocks(PAGE.read_text()):
        if not slow:
            assert printed(code, names) == shown, code


@pytest.mark.slow
def test_the_page_prints_what_it_says_with_a_language_model(notebook):
    names = {}
    for _, code, shown in blocks(PAGE.read_text()):
        assert printed(code, names) == shown, code
