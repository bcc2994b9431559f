"""A tool's JSON Schema as an HTML form, filled with a call's arguments, and back. Plain values get a field each;
whatever is nested is JSON text. What was not touched comes back exactly as it was.
"""

import json
from collections.abc import Iterator
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.core.pointers import resolve
from apps.gateway.serializers import holds_nul
from apps.gateway.wording import label_of, names_in_order, shown
from apps.registry.masking import SECRET
from apps.registry.models import Tool
from apps.registry.shields import shield_of

PREFIX = "argument"
REST = "more"
# A text that may be longer than this gets several lines.
ONE_LINE = 120
NUMBER = {"integer": int, "number": float}
YES_NO = [("", gettext_lazy("not given")), ("true", gettext_lazy("yes")), ("false", gettext_lazy("no"))]


class ArgumentField:
    """One argument: its field, what stands in it at first, and how its text becomes a value again."""

    def __init__(
        self,
        name: str,
        schema: dict[str, Any],
        arguments: dict[str, Any],
        *,
        is_required: bool,
        seen: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.schema = schema
        self.is_required = is_required
        self.is_given = name in arguments
        self.value = arguments.get(name)
        # what the person is shown: a mask where it is not for them
        self.seen = self.value if seen is None else seen.get(name)
        self.kind = _kind(schema, self.seen, is_given=self.is_given)

    @property
    def text(self) -> str:
        """The value as it stands in the field."""
        if not self.is_given:
            return ""
        if self.kind == "json":
            return json.dumps(self.seen, indent=1, ensure_ascii=False)
        if self.kind in ("choice", "boolean"):
            return json.dumps(self.seen)
        return str(self.seen)

    def field(self) -> forms.Field:
        label = label_of(self.name)
        common: dict[str, Any] = {"label": label, "required": False, "initial": self.text}
        if self.kind == "boolean":
            return forms.ChoiceField(choices=YES_NO[1:] if self.is_required else YES_NO, **common)
        if self.kind == "choice":
            none = [] if self.is_required else [("", _("not given"))]
            return forms.ChoiceField(
                choices=[*none, *((json.dumps(value), shown(value)) for value in self.schema["enum"])], **common
            )
        if self.kind == "json":
            return forms.CharField(
                widget=forms.Textarea(attrs={"rows": 4, "class": "mono", "spellcheck": "false"}), **common
            )
        is_long = len(self.text) > ONE_LINE or self.schema.get("maxLength", 0) > ONE_LINE
        widget = forms.Textarea(attrs={"rows": 3}) if is_long and self.kind == "text" else forms.TextInput()
        if self.kind in NUMBER:
            widget.attrs["inputmode"] = "numeric" if self.kind == "integer" else "decimal"
        return forms.CharField(strip=False, widget=widget, **common)

    def parsed(self, text: str) -> Any:
        """The value that the text means; `ABSENT` for none. Raises ValueError with a sentence."""
        # browsers send line breaks of their own
        if self.is_given and text.replace("\r\n", "\n") == self.text.replace("\r\n", "\n"):
            return self.value
        if text == "" and (not self.is_required or self.kind != "text"):
            return ABSENT
        if self.kind == "text":
            return text
        if self.kind in NUMBER:
            return _number(text.strip(), NUMBER[self.kind])
        try:
            return json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise ValueError(_("This is not JSON.")) from None


ABSENT: Any = object()


def _kind(schema: dict[str, Any], value: Any, *, is_given: bool) -> str:
    """How it is shown: by its schema, and as JSON where the value is something else than that says."""
    if isinstance(schema.get("enum"), list):
        return "choice" if not is_given or value in schema["enum"] else "json"
    kinds = {"string": ("text", str), "integer": ("integer", int), "number": ("number", int | float)}
    if schema.get("type") == "boolean":
        return "boolean" if not is_given or isinstance(value, bool) else "json"
    kind, of = kinds.get(str(schema.get("type")), ("json", object))
    fits = isinstance(value, of) and not isinstance(value, bool)
    return kind if not is_given or fits else "json"


def _number(text: str, of: type) -> int | float:
    try:
        number: int | float = int(text) if of is int or text.lstrip("-").isdigit() else float(text)
    except ValueError:
        raise ValueError(_("This is not a number.")) from None
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError(_("This is not a number."))
    return number


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class EditForm(forms.Form):
    """The arguments of one call, without what is secret: whoever edits it keeps what they do not touch. After
    `is_valid`, `arguments` are what was entered; whether they fit the tool's schema, and whether this may be done, is
    the service's to say.
    """

    digest = forms.RegexField(regex=r"^[0-9a-f]{64}$", widget=forms.HiddenInput)
    dwell = forms.FloatField(required=False, min_value=0, widget=forms.HiddenInput)

    def __init__(self, tool: Tool, arguments: dict[str, Any], *, digest: str, data: QueryDict | None = None) -> None:
        super().__init__(data, initial={"digest": digest}, auto_id="edit-%s")
        self.tool = tool
        seen = shield_of(tool).arguments_without(frozenset({SECRET}), arguments)
        self.before = seen
        self.arguments: dict[str, Any] = {}
        properties: dict[str, Any] = tool.input_schema.get("properties", {})
        required = tool.input_schema.get("required", [])
        self._own = {
            f"{PREFIX}-{name}": ArgumentField(
                name, properties[name], arguments, is_required=name in required, seen=seen
            )
            for name in names_in_order(tool)
        }
        for key, argument in self._own.items():
            self.fields[key] = argument.field()
        rest = [name for name in arguments if name not in properties]
        self._declare_rest({name: arguments[name] for name in rest}, {name: seen[name] for name in rest})
        self.fields["comment"] = forms.CharField(
            label=_("Why"), required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 2})
        )

    def _declare_rest(self, rest: dict[str, Any], seen: dict[str, Any]) -> None:
        """Arguments that the schema allows and does not name."""
        if not rest:
            return
        argument = ArgumentField(REST, {"type": "object"}, {REST: rest}, is_required=False, seen={REST: seen})
        self._own[REST] = argument
        self.fields[REST] = argument.field()
        self.fields[REST].label = _("Further arguments")

    def argument_fields(self) -> Iterator[forms.BoundField]:
        return (self[key] for key in self._own)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for key, argument in self._own.items():
            if key not in self.errors:
                self._take(key, argument, data.get(key, ""))
        return data

    def _take(self, key: str, argument: ArgumentField, text: str) -> None:
        try:
            value = argument.parsed(text)
        except ValueError as problem:
            self.add_error(key, str(problem))
            return
        if value is ABSENT:
            return
        if holds_nul(value):
            self.add_error(key, _("It holds a character that no text has."))
        elif key != REST:
            self.arguments[argument.name] = value
        elif isinstance(value, dict):
            self.arguments |= value
        else:
            self.add_error(key, _("This must be a JSON object."))

    def add_refusal(self, sentence: str, errors: list[dict[str, str]]) -> None:
        """Put what the service found wrong beside the fields it is about."""
        if not errors:
            self.add_error(None, sentence)
        for error in errors:
            name = error["pointer"].removeprefix("/").partition("/")[0].replace("~1", "/").replace("~0", "~")
            key = f"{PREFIX}-{name}" if f"{PREFIX}-{name}" in self._own else REST if REST in self._own else None
            said = self._pattern_words(name) if "does not match" in error["sentence"] else ""
            self.add_error(key, said or error["sentence"])

    def _pattern_words(self, name: str) -> str:
        """A pattern is not for people: what stood there shows how it is written."""
        before = resolve(self.before, f"/{name}")
        return _("It has to be written like “%(before)s”.") % {"before": before} if isinstance(before, str) else ""


class ResetForm(forms.Form):
    reason = forms.CharField(max_length=300)
