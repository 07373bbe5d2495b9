"""What models and files wrote, made harmless: control characters shown, and JSON that no HTML parser stumbles over."""

import json
import re
from typing import Any

# Characters that nobody sees and that change what others look like: controls, bidi marks and overrides, tags, and lone
# surrogates, which UTF-8 cannot hold. Joiners stay: some scripts need them.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
# `</script>` and `<!--` end or change a script element; the last two end a line of JavaScript.
_SPECIAL = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def visible(value: Any) -> Any:  # noqa: ANN401
    """A text with its hidden characters written out as `⟨U+202E⟩`; anything else as it is."""
    if type(value) is not str:  # markup of our own is a subclass and is left alone
        return value
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found.group()):04X}⟩", value)


def all_visible(value: Any) -> Any:  # noqa: ANN401
    """The same for every text in lists and dicts, keys included."""
    if isinstance(value, dict):
        return {visible(key): all_visible(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [all_visible(item) for item in value]
    return visible(value)


def embedded_json(value: Any) -> str:  # noqa: ANN401
    """JSON to stand inside a script element of type application/json."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029]", lambda found: _SPECIAL[found.group()], text)


def cut(text: str, length: int) -> str:
    """The beginning of a text, no longer than `length` characters."""
    return text if len(text) <= length else text[:length].rstrip()
