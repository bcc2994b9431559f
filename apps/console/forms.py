"""HTML input of the console's own pages."""

from django import forms

from apps.halts.models import Condition, Mode, ReasonCode, Scope
from apps.registry.models import Environment

# What a person types in, because there are too many to choose from.
TYPED = (Scope.TOOL_AGENT, Scope.RUN, Scope.COUNTERPARTY, Scope.PRINCIPAL)


class HaltScopeForm(forms.Form):
    """Which halt is being thought of; every field has a sane default, so that the panel opens at one press."""

    scope = forms.CharField(max_length=240, required=False)
    environment = forms.ChoiceField(choices=Environment.choices, required=False)
    mode = forms.ChoiceField(choices=Mode.choices, required=False)

    # what of that kind, for scopes that no list could show whole; read before `scope`
    reference = forms.CharField(max_length=200, required=False)

    field_order = ("reference", "scope", "environment", "mode")

    def clean_scope(self) -> tuple[str, str]:
        """`mesh`, `process:<slug>`, `counterparty:<type>:<id>` and so on as (type, reference)."""
        scope_type, _, reference = (self.cleaned_data["scope"] or Scope.MESH).partition(":")
        if scope_type not in Scope.values:
            raise forms.ValidationError("Choose what to stop.")
        return scope_type, reference or (self.cleaned_data["reference"] if scope_type in TYPED else "")

    def clean_environment(self) -> str:
        return self.cleaned_data["environment"] or Environment.PRODUCTION

    def clean_mode(self) -> str:
        return self.cleaned_data["mode"] or Mode.HOLD


class HaltForm(HaltScopeForm):
    """The confirmed halt: one of six reason codes is all that is asked beyond the scope."""

    reason_code = forms.ChoiceField(choices=ReasonCode.choices, error_messages={"required": "Choose a reason."})
    reason = forms.CharField(max_length=500, required=False)


class HaltRuleForm(forms.Form):
    """When the product places a halt by itself. A rule is tried out unless the box is cleared."""

    slug = forms.SlugField(error_messages={"required": "Give it a name of letters, digits and dashes."})
    scope = forms.CharField(max_length=240)
    environment = forms.ChoiceField(choices=Environment.choices)
    condition = forms.ChoiceField(choices=Condition.choices)
    threshold = forms.IntegerField(min_value=1, initial=5)
    window_seconds = forms.IntegerField(min_value=1, initial=300)
    least_calls = forms.IntegerField(min_value=1, initial=10)
    mode = forms.ChoiceField(choices=Mode.choices, initial=Mode.HOLD)
    is_dry = forms.BooleanField(required=False, initial=True)

    def clean_scope(self) -> tuple[str, str]:
        scope_type, _, reference = self.cleaned_data["scope"].partition(":")
        return scope_type, reference


class HaltDrillForm(forms.Form):
    """Now, unless a time is given (in UTC)."""

    agent = forms.CharField(max_length=120, error_messages={"required": "Choose an agent."})
    planned_for = forms.DateTimeField(required=False)
    every_days = forms.IntegerField(min_value=0, max_value=366, required=False)


class LiftForm(forms.Form):
    reason = forms.CharField(max_length=500, error_messages={"required": "Say why it is safe to start again."})
