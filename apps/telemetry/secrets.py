"""Secrets in what agents report: under which names they stand, and what gives them away within a text."""

import re

import jsonschema_rs

MASKED = "masked: secret"
# Names under which programs keep what nobody else may have. Tokens that are counted are not meant.
_NAME = re.compile(
    r"(^|[._\-/])(password|passwd|pwd|secret|client_?secret|api[_-]?key|apikey|access[_-]?key|private[_-]?key|"
    r"authorization|proxy-authorization|cookie|set-cookie|credentials?|(access|refresh|id|auth|bearer|session|api)[_-]?token|"
    r"token)$",
    re.IGNORECASE,
)
# What gives itself away wherever it stands; in JSON it ends where its text does.
_TEXT = re.compile(
    r"\b[Bb]earer\s+[A-Za-z0-9._~+/=-]{16,}"
    r"|\bsk[-_][A-Za-z0-9_-]{20,}"
    r"|\bmca_[A-Za-z0-9:_-]{20,}"
    r"|\b(?:ghp|gho|ghs|github_pat|glpat|xox[abprs])[-_][A-Za-z0-9_-]{16,}"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+"
    r'|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-"]*(?:-----END [A-Z ]*PRIVATE KEY-----)?'
)
_MEMBERS = "(?:password|passwd|secret|client_secret|api_?key|access_token|refresh_token|authorization|private_key)"
# A member of a JSON document within the text, and one of a document that is itself a text in it.
_MEMBER = re.compile(rf'("{_MEMBERS}"\s*:\s*")(?:[^"\\]|\\.)+', re.IGNORECASE)
_MEMBER_WITHIN = re.compile(rf'(\\+"{_MEMBERS}\\+"\s*:\s*\\+")(?:[^"\\]|\\[^"])+', re.IGNORECASE)
# The beginnings of all that the above find, and a little more, in small letters with "?" for what is not ASCII.
# Python and Rust differ in what is a blank, so here every control character is one.
_BLANK = r"[\x00-\x20?]"
_SIGNS = (
    rf"bearer{_BLANK}+[a-z0-9._~+/=-]{{16}}"
    r"|sk[-_][a-z0-9_-]{20}"
    r"|mca_[a-z0-9:_-]{20}"
    r"|(?:gh[pos]|github_pat|glpat|xox[abprs])[-_][a-z0-9_-]{16}"
    r"|akia[0-9a-z]{16}"
    r"|eyj[a-z0-9_-]{8,}\.eyj"
    r"|private key-----"
    rf'|{_MEMBERS}\\*"{_BLANK}*:'
)
# Rust's expressions, by way of the library that has them here, look for all of it in one pass: a kilobyte in half a
# microsecond, where Python's take fifty.
_finder = jsonschema_rs.validator_for({"pattern": _SIGNS})
_SMALL_ASCII = bytes(range(128)).lower() + b"?" * 128
# Too short for any of them.
SHORTEST = 16


def is_name_of_secret(name: str) -> bool:
    """Whether an attribute of this name holds nothing but a secret."""
    return _NAME.search(name) is not None


def may_be_in(text: bytes) -> bool:
    """Whether a secret may be in UTF-8 text, or in the texts of a message. False is certain; an array or an object of
    texts has to be asked about in the form that `without` is given.
    """
    return bool(_finder.is_valid(text.translate(_SMALL_ASCII).decode("ascii")))


def without(text: str) -> str:
    """The text with every secret masked; the same object when there is none."""
    if len(text) < SHORTEST or not may_be_in(text.encode("utf-8", "replace")):
        return text
    plain = _TEXT.sub(MASKED, text)
    for members in (_MEMBER, _MEMBER_WITHIN):
        plain = members.sub(rf"\1{MASKED}", plain)
    return plain if plain != text else text
