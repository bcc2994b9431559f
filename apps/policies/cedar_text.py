"""Cedar text as a row of policies with places: where each begins, and where in it an error lies.

Cedar's Python binding reports errors without a place and its parser ends the process on a text nested too deeply, so
every text passes here before it is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from cedarpy import PolicySet

from apps.policies.characters import character_name

# Cedar recurses on the thread's stack, and reading its JSON form on Python's: 160 negations overflow the
# two mebibytes of a web thread, some hundreds of operators in a row Python. Nobody writes policies near such limits.
MAX_NESTING = 32
MAX_DEPTH = 150
MAX_TEXT_LENGTH = 512 * 1024
# Checking and laying out a text takes a second at these sizes. Cedar's layout of one policy takes the square of its
# length, and recurses over what stands between its commas: a list of ten thousand ended the process.
MAX_POLICIES = 1_000
MAX_TOKENS = 100_000
MAX_TOKENS_OF_ONE = 9_000
MAX_LISTED = 4_000

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n\r]*)
    |(?P<string>"(?:\\[^\n]|[^"\\])*")
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>[0-9]+)
    |(?P<operator>::|&&|\|\||[=!<>]=|[.+\-*/%!<>=])
    |(?P<mark>\?(?:principal|resource)\b|[@,;:(){}\[\]])""",
    re.VERBOSE | re.ASCII,
)
_CHAINING = frozenset({"&&", "||", "+", "-", "*", "!", "if"})
_SEPARATING = frozenset({"==", "!=", "<", "<=", ">", ">=", ",", "then", "else", "in", "has", "like", "is"})
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_CUT_SHORT = "unexpected end of input"


class TextError(Exception):
    """What is wrong with a text, and at which character of it."""

    def __init__(self, sentence: str, offset: int) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Token:
    text: str
    offset: int
    kind: str

    @property
    def end(self) -> int:
        return self.offset + len(self.text)


@dataclass(frozen=True)
class Statement:
    """One policy of a text, up to its semicolon. Cedar calls the n-th `policy<n>`, from 0."""

    source: str
    tokens: tuple[Token, ...]

    @property
    def offset(self) -> int:
        return self.tokens[0].offset

    @cached_property
    def text(self) -> str:
        return self.source[self.offset : self.tokens[-1].end]

    def find(self, *path: str) -> int | None:
        """Where the last of these words or strings stands, after the others in this order; None if it does not."""
        wanted = list(path)
        for token in self.tokens:
            if wanted and token.text in (wanted[0], f'"{wanted[0]}"'):
                wanted.pop(0)
                if not wanted:
                    return token.offset
        return None


def statements(text: str) -> tuple[Statement, ...]:
    """The policies of a text. Raises TextError for what is no Cedar at all, and for what is too deep, too long or too
    many to be parsed safely.
    """
    if len(text) > MAX_TEXT_LENGTH:
        raise TextError(f"The text is longer than {MAX_TEXT_LENGTH:,} characters.", 0)
    found: list[Statement] = []
    tokens: list[Token] = []
    for number, token in enumerate(_tokens(text)):
        if number == MAX_TOKENS:
            raise TextError(f"The text is longer than {MAX_TOKENS:,} words and signs.", token.offset)
        if not tokens and len(found) == MAX_POLICIES:
            raise TextError(f"A set holds at most {MAX_POLICIES:,} policies. More begin here.", token.offset)
        tokens.append(token)
        if token.text == ";":
            found.append(Statement(text, tuple(tokens)))
            tokens = []
    if tokens:
        found.append(Statement(text, tuple(tokens)))
    for statement in found:
        _refuse_recursion(statement)
        _refuse_length(statement)
    return tuple(found)


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column of a character, both from 1."""
    line = text.count("\n", 0, offset) + 1
    return line, offset - (text.rfind("\n", 0, offset) + 1) + 1


def parse_error(statement: Statement) -> TextError | None:
    """Why Cedar cannot read this policy, and where; None when it can."""
    message = _complaint(statement.text)
    if message is None:
        return None
    return TextError(_sentence(message), _offset_of(message, statement))


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise TextError(_why_no_token(text[at]), at)
        kind = match.lastgroup or ""
        if kind != "space":
            yield Token(match[0], at, kind)
        at = match.end()


def _why_no_token(character: str) -> str:
    if character == '"':
        return "This text has no closing quotation mark."
    if character.isascii() and character.isprintable():
        return f"“{character}” means nothing in Cedar."
    shown = f"“{character}” ({character_name(character)})" if character.isprintable() else character_name(character)
    return f"{shown} means nothing in Cedar, outside of quotation marks."


def _refuse_length(statement: Statement) -> None:
    if len(statement.tokens) > MAX_TOKENS_OF_ONE:
        sentence = f"This policy is longer than {MAX_TOKENS_OF_ONE:,} words and signs; write several."
        raise TextError(sentence, statement.offset)
    commas = [token.offset for token in statement.tokens if token.text == ","]
    if len(commas) > MAX_LISTED:
        sentence = (
            f"This policy lists more than {MAX_LISTED:,} things; use a parameter that is a list, or several policies."
        )
        raise TextError(sentence, commas[MAX_LISTED])


@dataclass(slots=True)
class _Level:
    """What one pair of brackets holds, as far as it makes the expression deeper."""

    operators: int = 0
    accesses: int = 0
    most_accesses: int = 0
    deepest_inside: int = 0

    @property
    def depth(self) -> int:
        return 1 + self.operators + self.most_accesses + self.deepest_inside


def _refuse_recursion(statement: Statement) -> None:
    """Raise TextError where a policy may be too deep. `a && b && c` is as deep as it is long, `[a, b, c]` is not."""
    levels, conditionals, before = [_Level()], 0, ""
    for token in statement.tokens:
        level = levels[-1]
        if _is_access(token, before):
            level.accesses += 1
            level.most_accesses = max(level.most_accesses, level.accesses)
        elif token.text in _CHAINING or token.text in _SEPARATING:
            level.accesses = 0
            level.operators += token.text in _CHAINING
            conditionals += token.text == "if"
        if token.text in _OPENING:
            levels.append(_Level())
        elif token.text in _CLOSING and len(levels) > 1:
            inner = levels.pop()
            levels[-1].deepest_inside = max(levels[-1].deepest_inside, inner.depth)
        if len(levels) > MAX_NESTING or conditionals > MAX_NESTING:
            raise TextError(f"This policy nests deeper than {MAX_NESTING} levels.", token.offset)
        before = token.text
    if sum(level.depth for level in levels) > MAX_DEPTH:
        sentence = f"This policy chains more than {MAX_DEPTH} steps; use a set or several policies."
        raise TextError(sentence, statement.offset)


def _is_access(token: Token, before: str) -> bool:
    """A step into something: `.name`, or `["name"]` behind a value."""
    if token.text == "[":
        return before in _CLOSING or before.endswith('"') or before.isidentifier()
    return token.text == "."


def _complaint(text: str) -> str | None:
    try:
        PolicySet.from_str(text)
    except ValueError as error:
        return str(error)
    return None


def _offset_of(message: str, statement: Statement) -> int:
    """Where the error lies: at the word the message quotes, no later than where the text can become no policy."""
    if message == _CUT_SHORT:
        return statement.tokens[-1].offset
    last = _first_impossible(statement)
    quoted = re.findall(r"`([^`]+)`|'([^']+)'|: @?(\w+)$", message)
    for words in quoted:
        word = "".join(words)
        candidates = [token.offset for token in statement.tokens[: last + 1] if token.text == word]
        if candidates:
            return candidates[-1]
        inside = [token.offset for token in statement.tokens if word in token.text]
        if inside:
            return inside[0]
    return statement.offset


def _first_impossible(statement: Statement) -> int:
    """Index of the first token after which Cedar knows that no policy can come of it; before it, it only misses the
    rest.
    """
    low, high = 0, len(statement.tokens) - 1
    while low < high:
        middle = (low + high) // 2
        prefix = statement.source[statement.offset : statement.tokens[middle].end]
        if _complaint(prefix) == _CUT_SHORT:
            low = middle + 1
        else:
            high = middle
    return low


def _sentence(message: str) -> str:
    if message == _CUT_SHORT:
        return "The policy is not finished: a closing bracket, a brace or the semicolon is missing."
    quoted = re.sub(r"`([^`]*)`", r"“\1”", message).rstrip(".")
    return f"{quoted[:1].upper()}{quoted[1:]}."
