"""Text and numbers as a card shows them; what comes from models, recipes and files stays inside its line."""

import re
import unicodedata
from collections.abc import Sequence

# Whatever has a meaning in Markdown or HTML somewhere in a line; `://`, `www.` and @ would become links.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#&~@$])")
_BARE_LINK = re.compile(r"(://|www\.)", re.IGNORECASE)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def plain(text: str) -> str:
    """One line without control characters and without marks that turn the direction of writing around."""
    kept = (" " if c.isspace() else c for c in text if c not in _DIRECTIONS)
    return " ".join("".join(c for c in kept if unicodedata.category(c) not in ("Cc", "Cs")).split())


def inline(text: str) -> str:
    """Text that stays inside one line, or one cell, of Markdown and shows as it is."""
    escaped = _MARKUP.sub(r"\\\1", plain(text))
    return _BARE_LINK.sub(lambda match: f"\\{match[0]}" if match[0][0] == ":" else f"{match[0][:3]}\\.", escaped)


def code(text: str) -> str:
    """Text as a code span that may stand in a table's cell."""
    line = plain(text).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    space = " " if not line or "`" in (line[0], line[-1]) else ""
    return f"{fence}{space}{line}{space}{fence}"


def fenced(text: str, language: str) -> str:
    """A block of code that nothing in it can end."""
    lines = [re.sub(r"[^\S ]|[\x00-\x1f\x7f-\x9f]", " ", line) for line in text.strip("\n").split("\n")]
    body = "\n".join("".join(c for c in line if c not in _DIRECTIONS).rstrip() for line in lines)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", body)), default=0))
    return f"{fence}{language}\n{body}\n{fence}"


def fences(lines: Sequence[str]) -> list[str]:
    """For every line the fence of the block of code that is open below it; empty where none is."""
    found, fence = [], ""
    for line in lines:
        opening = _FENCE.match(line)
        if opening and not fence:
            fence = opening[1]
        elif opening and opening[1].startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
        found.append(fence)
    return found


def count(n: int) -> str:
    """A count with a comma between thousands."""
    return f"{n:,}"


def number(value: float | None, digits: int = 3) -> str:
    """A figure with so many decimals, a whole number above 1 or below 0 without any; a dash where there is none."""
    if value is None:
        return "-"
    if isinstance(value, int) or (float(value).is_integer() and not 0 <= value <= 1):
        return f"{int(value):,}"
    return f"{value:,.{digits}f}"


def percent(share: float | None) -> str:
    """A share in percent with one decimal; a dash where there is none."""
    return "-" if share is None else f"{100 * share:.1f} %"


def interval(low: float | None, high: float | None) -> str:
    """A 95 % interval; a dash where there is none."""
    return "-" if low is None or high is None else f"{number(low)} to {number(high)}"
