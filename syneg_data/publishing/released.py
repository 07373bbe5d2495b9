"""The card of a release: the one that lies in the folder, with the repository and the tag in its loading lines."""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from syneg_data.errors import InputError
from syneg_data.publishing.markdown import fences

Kind = Literal["dataset", "model"]

# A comment above whatever the release changes. Nothing else on a card can be such a line outside a block of code: names
# and sentences are escaped, and prose that holds one is refused. So FOLDER in anybody's text stays as it is.
MARK = "<!-- syneg-data:"
_LINES = f"{MARK} loading lines -->"
_FOLDER = f"{MARK} what FOLDER is -->"
_EXPORTS = f"{MARK} what FOLDER is among exports -->"
_MARKS = (_LINES, _FOLDER, _EXPORTS)

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_TAG = re.compile(r"v[0-9][0-9A-Za-z.+-]*", re.ASCII)


def marks() -> dict[str, str]:
    """The comments as the templates of cards place them: above a block of code, or above a paragraph."""
    return {"lines": _LINES, "folder": _FOLDER, "exports": _EXPORTS}


def release_card(text: str, repo: str, tag: str, type: Kind) -> str:
    """README.md of a release, from README.md of the folder that is released.

    Every line that loads something names `repo` with `revision=tag` in place of FOLDER; exports, which are files, are
    fetched at that revision first. Nothing else changes; the same arguments give the same bytes.

    Args:
        text: the card in a build folder or in a retriever's folder.
        repo: `owner/name`.
        tag: of the release, such as v1.0.0.
        type: of the repository.

    Raises:
        InputError: it is no card that this version wrote for such a folder, or `repo` or `tag` is none.
    """
    if not _REPO.fullmatch(repo):
        raise InputError(f"{repo}: is no id of a repository; write owner/name")
    if not _TAG.fullmatch(tag):
        raise InputError(f"{tag}: is no tag of a release; write it as v1.0.0")
    lines = text.split("\n")
    if lines[0] != "---" or "---" not in lines[1:]:
        raise _foreign()
    start = 1 + lines.index("---", 1)
    return "\n".join([*lines[:start], *_released(lines[start:], repo, tag, type)])


def _foreign() -> InputError:
    return InputError(
        "README.md: is not the card that syneg-data wrote for this folder, or is that of a release already, so its "
        "loading lines cannot name the release; push the folder that `build` or `train` wrote, as it wrote it"
    )


def _released(lines: Sequence[str], repo: str, tag: str, kind: Kind) -> Iterator[str]:
    """The lines below the front matter, those that are marked rewritten and without their marks."""
    below = fences(lines)
    marked = [n for n, line in enumerate(lines) if line in _MARKS and not (n and below[n - 1])]
    if not any(lines[n] == _LINES for n in marked):
        raise _foreign()
    done = 0
    for start in marked:
        yield from lines[done:start]
        # What is marked: a block of code up to its last line, or a paragraph.
        holds = below.__getitem__ if lines[start] == _LINES else lines.__getitem__
        done = next((n for n in range(start + 1, len(lines)) if not holds(n)), len(lines))
        if done in (start + 1, len(lines)):
            raise _foreign()
        if lines[start] == _LINES:
            yield lines[start + 1]
            yield from _code(lines[start + 2 : done], repo, tag, kind)
        else:
            yield from _paragraph(lines[start], tag, kind)
    yield from lines[done:]


def _code(lines: Sequence[str], repo: str, tag: str, kind: Kind) -> list[str]:
    """A block of code in which the release stands for FOLDER."""
    text = "\n".join(lines)
    if kind == "model":
        text = text.replace('SentenceTransformer("FOLDER")', f'SentenceTransformer("{repo}", revision="{tag}")')
    else:
        text = re.sub(r'load_dataset\("FOLDER", ([^()]*)\)', rf'load_dataset("{repo}", \1, revision="{tag}")', text)
        text = _with_files(text, repo, tag)
        fetched = f"hf download {repo} recipe.lock.yaml --repo-type dataset --revision {tag} --local-dir ."
        text = text.replace("cp FOLDER/recipe.lock.yaml .", fetched)
    if re.search(r'\("FOLDER"|["\s]FOLDER/', text):  # a line that is not as a card has it
        raise _foreign()
    return text.split("\n")


def _with_files(text: str, repo: str, tag: str) -> str:
    """Python that reads files of an export, after it has fetched them."""
    found = re.search(r'"FOLDER/(exports/[a-z_]+)', text)
    if not found:
        return text
    imports, _, rest = text.partition("\n\n")
    fetch = (
        f'folder = snapshot_download("{repo}", repo_type="dataset", revision="{tag}", allow_patterns="{found[1]}/*")'
    )

    def formatted(match: re.Match[str]) -> str:
        return 'f"{folder}' + match[1].replace("{", "{{").replace("}", "}}") + '"'

    rest = re.sub(r'"FOLDER(/[^"\n]*)"', formatted, rest)
    return f"{imports}\nfrom huggingface_hub import snapshot_download\n\n{fetch}\n{rest}"


def _paragraph(mark: str, tag: str, kind: Kind) -> list[str]:
    """What takes the place of a paragraph on FOLDER."""
    if mark == _EXPORTS:
        return ["The same set as other tools read it, in `exports/`; its files are fetched first."]
    because = ", so that your training set stays the one that you looked at" if kind == "dataset" else ""
    return [
        f"These lines load version {tag[1:]} by its tag `{tag}`, which never moves{because}.",
        "[manifest.json](manifest.json) has the sha256 of every file of this version, and",
        "[CHANGELOG.md](CHANGELOG.md) says what changed from one version to the next.",
    ]
