"""The beginning of a text, all that a model reads of it, so that the rest of a huge one is never tokenised with it.

A tokenizer reads a text whole before it cuts it, and keeps all pieces until it is done: some hundred bytes a character,
in every batch that the text is in.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

_CHARACTERS = 16  # per token: where looking for an end begins; English has four or five
_AT_ONCE = 1 << 20  # characters in a batch of texts that are tokenised together
_GAPS = " \t\r\n"  # nothing else is white space for every tokenizer: BERT's drops form feeds, and joins what they part

Tokenise = Callable[[str], list[int]]


def beginning(text: str, most: int, tokenise: Tokenise) -> str:
    """The shortest prefix that is known to have the first `most` tokens of a text, and as many; else all of it.

    Tokenizers part texts at white space before anything else, so a prefix that ends there has the tokens of the whole
    text, but for its last ones: those may depend on the white space itself. It counts as known when a prefix twice as
    long agrees. Where white space does not help (a single word may be longer than any number of characters, and be one
    unknown token), a prefix has to agree with the whole text.

    Args:
        text: of any length.
        most: tokens that a model reads.
        tokenise: all tokens of a text, without those that a model adds.
    """
    if len(text) <= 2 * _CHARACTERS * most:
        return text
    shorter, known = "", list[int]()
    for prefix in _prefixes(text, most):
        tokens = tokenise(prefix)[:most]
        if len(tokens) == most and tokens == known:
            return shorter
        shorter, known = prefix, tokens
    first = tokenise(text)[:most]
    size = _CHARACTERS * most
    while len(first) == most and size < len(text):
        if tokenise(text[:size])[:most] == first:
            return text[:size]
        size *= 2
    return text


def _prefixes(text: str, most: int) -> Iterator[str]:
    """Prefixes that end where white space begins, each some twice as long as the one before."""
    size, last = _CHARACTERS * most, 0
    while size < len(text):
        prefix = text[: max(text.rfind(gap, 0, size) for gap in _GAPS) + 1].rstrip(_GAPS)
        if len(prefix) > last:
            yield prefix
        size, last = 2 * size, max(last, len(prefix))


def of_tokenizer(tokenizer: Any, most: int) -> Callable[..., str]:  # noqa: ANN401
    """`beginning` by a tokenizer of transformers; one that cuts texts at their beginning gets them whole.

    Args:
        tokenizer: of the model.
        most: tokens that the model reads, those that the tokenizer adds included; a second argument of what is returned
            asks for more.
    """
    if tokenizer.truncation_side != "right":
        return lambda text, most=most: text
    return lambda text, most=most: beginning(text, most, functools.partial(tokens_of, tokenizer))


def tokens_of(tokenizer: Any, text: str) -> list[int]:  # noqa: ANN401
    """All tokens of a text, without those that the tokenizer adds."""
    options = {"add_special_tokens": False, "padding": False, "truncation": False, "verbose": False}
    return list(tokenizer(text, **options)["input_ids"])


def pair_tokens(tokenizer: Any, pairs: Sequence[tuple[str, str]], most: int) -> dict[str, list[list[int]]]:  # noqa: ANN401
    """Inputs of a network for pairs of texts, cut to `most` tokens, not padded: by name, a list per pair.

    The same as the tokenizer makes of the whole texts, in memory that the longest of them bounds: of two long ones it
    would make every piece of the one with every piece of the other, only to drop them.
    """
    begin = functools.cache(of_tokenizer(tokenizer, most))
    count = functools.cache(lambda text: len(tokens_of(tokenizer, text)))

    def cut(first: str, second: str) -> tuple[str, str]:
        """Beginnings of both; of two texts that are both too long the longer keeps a token more, so it has to stay it.

        A beginning may have more tokens than the whole, where it ends inside a long word that is one unknown token. But
        one that `begin` cut to give so many tokens is a beginning of a text that has as many.
        """
        left, right = begin(first), begin(second)
        if (left, right) == (first, second):  # nearly all: nothing has to be counted
            return first, second
        if left == first:
            return first, begin(second, max(most, count(first)))
        if right == second:
            return begin(first, max(most, count(second) + 1)), second
        if count(first) > count(second):
            right = right if count(right) <= count(second) else second
            return begin(first, max(most, count(right) + 1)), right
        left = left if count(left) <= count(first) else first
        return left, begin(second, max(most, count(left)))

    found: dict[str, list[list[int]]] = {}
    for part in _parts([cut(*pair) for pair in pairs]):
        queries, texts = [query for query, _ in part], [text for _, text in part]
        rows = tokenizer(queries, texts, padding=False, truncation="longest_first", max_length=most)
        for name, values in rows.items():
            found.setdefault(name, []).extend(values)
    return found


def _parts(pairs: Sequence[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Runs of pairs of so many characters together, unless one alone has more."""
    part: list[tuple[str, str]] = []
    size = 0
    for pair in pairs:
        length = len(pair[0]) + len(pair[1])
        if part and size + length > _AT_ONCE:
            yield part
            part, size = [], 0
        part.append(pair)
        size += length
    if part:
        yield part
