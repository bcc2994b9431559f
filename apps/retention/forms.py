"""HTML input of retention."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.registry.models import Process
from apps.retention.models import Content
from apps.retention.services.holds import MOST_REASON
from apps.retention.services.rules import MOST_DAYS

MESH = ""


class RuleForm(forms.Form):
    """`process` is "" for all that have no rule of their own."""

    content = forms.ChoiceField(label=_("What"), choices=Content.choices)
    data_class = forms.CharField(label=_("Class of data"), max_length=40, required=False)
    process = forms.ChoiceField(label=_("Where"), required=False)
    days = forms.IntegerField(label=_("Days after the end of the run"), min_value=1, max_value=MOST_DAYS)

    def __init__(self, data: Any = None, *, processes: list[Process], is_mesh_wide: bool) -> None:
        super().__init__(data, auto_id="rule_%s")
        everywhere = [(MESH, _("All processes without a rule of their own"))] if is_mesh_wide else []
        field: Any = self.fields["process"]
        field.choices = [*everywhere, *((process.slug, process.name) for process in processes)]
        self.is_for_somebody = bool(field.choices)


class HoldForm(forms.Form):
    """`run_id` is the run, "" for the whole process."""

    process = forms.CharField(required=False, widget=forms.HiddenInput)
    run_id = forms.UUIDField(required=False, widget=forms.HiddenInput)
    reason = forms.CharField(
        label=_("Why it must be kept"),
        max_length=MOST_REASON,
        error_messages={"required": _("Say why it must be kept.")},
    )
    until = forms.DateField(
        label=_("Until"), required=False, widget=forms.DateInput(attrs={"type": "date"}), help_text=_("Or until lifted")
    )

    def __init__(self, data: Any = None, **initial: Any) -> None:
        super().__init__(data, auto_id="hold_%s", initial=initial)


class ReasonForm(forms.Form):
    reason = forms.CharField(label=_("Why"), max_length=MOST_REASON, error_messages={"required": _("Say why.")})

    def __init__(self, data: Any = None, *, name: str = "reason") -> None:
        super().__init__(data, auto_id=f"{name}_%s")
