"""HTML input of the inbox."""

from django import forms

from apps.approvals.models import RejectReason, Verdict


class VoteForm(forms.Form):
    """What the card's buttons send. Whether it may be done is the service's to say."""

    verdict = forms.ChoiceField(choices=Verdict.choices)
    digest = forms.RegexField(regex=r"^[0-9a-f]{64}$")
    reason_code = forms.ChoiceField(choices=[("", "Choose a reason"), *RejectReason.choices], required=False)
    comment = forms.CharField(required=False, max_length=4000, widget=forms.Textarea)

    def clean(self) -> dict[str, str]:
        data = super().clean() or {}
        if data.get("verdict") == Verdict.REJECT and not data.get("reason_code"):
            self.add_error("reason_code", "Say why, so that the agent can learn from it.")
        return data
