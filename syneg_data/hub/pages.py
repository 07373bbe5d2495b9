"""The texts of a page as a browser has them: words, what stands in tags and scripts, and data apart from both."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """A page, taken apart.

    Attributes:
        words: text and comments.
        code: attributes, scripts and styles.
        data: JSON that stands in it as data, a text for each script.
    """

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.code: list[str] = []
        self.data: list[str] = []
        self._into = self.words
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Attributes are kept, and where the text of a script goes."""
        self.code += [value for _, value in attrs if value]
        if tag in ("script", "style"):
            is_data = ("type", "application/json") in attrs
            self._into = self.data if is_data else self.code
            if is_data:
                self.data.append("")

    def handle_endtag(self, tag: str) -> None:
        """A script is over."""
        if tag in ("script", "style"):
            self._into = self.words

    def handle_data(self, data: str) -> None:
        """Text, or a part of a script."""
        if self._into is self.data:  # it may come in parts
            self.data[-1] += data
        else:
            self._into.append(data)

    def handle_comment(self, data: str) -> None:
        """What no browser shows."""
        self.words.append(data)

    def handle_decl(self, decl: str) -> None:
        """What stands in `<!...>`."""
        self.words.append(decl)

    def handle_pi(self, data: str) -> None:
        """What stands in `<?...>`."""
        self.words.append(data)

    def unknown_decl(self, data: str) -> None:
        """What stands in `<![...]>`."""
        self.words.append(data)
