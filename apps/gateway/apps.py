from django.apps import AppConfig


class GatewayConfig(AppConfig):
    name = "apps.gateway"
    label = "gateway"

    def ready(self) -> None:
        from apps.approvals import hygiene, subjects
        from apps.core import observing, outbox
        from apps.gateway.handlers import HANDLERS
        from apps.gateway.observed import LEVELS
        from apps.gateway.queries import compensated_calls
        from apps.gateway.run_budgets import section_of
        from apps.gateway.run_facts import ABOVE as OF_RUNS
        from apps.gateway.standstill import ABOVE
        from apps.gateway.subject import TOOL_CALL
        from apps.halts import above
        from apps.runs import facts, sections

        above.register(ABOVE)
        facts.register(OF_RUNS)
        sections.register(section_of)
        outbox.register(HANDLERS)
        observing.register_levels(LEVELS)
        subjects.register(TOOL_CALL)
        hygiene.register_undone(TOOL_CALL.name, compensated_calls)
