"""HTML input: what a person found out about a call whose outcome nobody knows."""

import json
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.gateway.models import Finding
from apps.gateway.serializers import holds_nul
from apps.gateway.services.resolving import Evidence

# Of a pointer in a refusal of the service: the field it stands beside.
FIELDS = ("finding", "words", "reference", "link", "sha256", "result")


class ResolutionForm(forms.Form):
    finding = forms.ChoiceField(
        choices=Finding.choices, error_messages={"required": gettext_lazy("Choose what you found.")}
    )
    reference = forms.CharField(
        label=gettext_lazy("Record in the business system"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("The number of the credit memo, payment or ticket. Needed when it happened."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    words = forms.CharField(
        label=gettext_lazy("How you know"),
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": gettext_lazy("Say how you know.")},
    )
    link = forms.CharField(
        label=gettext_lazy("Link to the proof"),
        max_length=500,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "url"}),
    )
    sha256 = forms.CharField(
        label=gettext_lazy("SHA-256 of the proof"),
        max_length=64,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "class": "mono"}),
    )
    result = forms.CharField(
        label=gettext_lazy("What the system answered, as JSON"),
        max_length=20_000,
        required=False,
        help_text=gettext_lazy("Given to the agent as the result, and needed to undo the call later."),
        widget=forms.Textarea(attrs={"rows": 2, "class": "mono", "spellcheck": "false"}),
    )

    def clean_result(self) -> Any:
        text = self.cleaned_data["result"].strip()
        if not text:
            return None
        try:
            value = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise forms.ValidationError(_("This is not JSON.")) from None
        if holds_nul(value):
            raise forms.ValidationError(_("It holds a character that no text has."))
        return value

    def evidence(self) -> Evidence:
        """After `is_valid`."""
        return Evidence(**self.cleaned_data)

    def add_refusal(self, sentence: str, errors: list[dict[str, str]]) -> None:
        """Put what the service found wrong beside the fields it is about."""
        for error in errors:
            name = error["pointer"].removeprefix("/").partition("/")[0]
            self.add_error(name if name in FIELDS else None, error["sentence"])
        if not errors:
            self.add_error(None, sentence)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
