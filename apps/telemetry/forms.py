"""HTML input of telemetry."""

from typing import Any

from django import forms


class AcknowledgeForm(forms.Form):
    """What an ungoverned action was; `execution_count` is how many executions were shown."""

    execution_count = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    reason = forms.CharField(
        label="What was it, or what was done about it?",
        max_length=500,
        error_messages={"required": "Say what it was, or what was done about it."},
    )

    def __init__(self, data: Any = None, **more: Any) -> None:
        super().__init__(data, auto_id="acknowledge_%s", **more)
