"""HTML input of runs."""

from typing import Any

from django import forms

MINUTE, HOUR, DAY = 60, 3600, 86_400
MORE = [(15 * MINUTE, "15 minutes"), (HOUR, "1 hour"), (4 * HOUR, "4 hours"), (DAY, "1 day"), (7 * DAY, "7 days")]


class ExtendForm(forms.Form):
    """How much longer from now a run may take."""

    seconds = forms.TypedChoiceField(label="It may go on for", choices=MORE, coerce=int, initial=HOUR)
    reason = forms.CharField(label="Why", max_length=500, error_messages={"required": "Say why it may take longer."})

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, auto_id="extend_%s")
