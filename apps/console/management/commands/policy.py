"""`manage policy test|diff|replay|release|export`: policies kept as plain files, by the same services as the page. A
release from here asks for consent like any other; it does not skip it. `check` and `recover` are for when what decides
cannot be read.
"""

import datetime as dt
import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime

from apps.accounts.models import User
from apps.accounts.requests import actor_for
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import MeshError, NotFound
from apps.policies import services
from apps.policies.checking import Checked, check
from apps.policies.differences import Content, Difference, difference
from apps.policies.files import read_directory, write_directory
from apps.policies.models import InFlight, PolicyDraft, PolicyRelease, PolicySet
from apps.policies.queries import content_of, ground_of, present_release, release_for, set_for
from apps.policies.unreadable import unreadable_releases
from apps.registry.models import Environment
from apps.replays import services as replays
from apps.replays.impact import Impact, impact_of, window_start
from apps.replays.models import ImpactReplay
from apps.replays.queries import PARTS

# Of a replay that takes its time.
TOLD_EVERY = dt.timedelta(seconds=2)
OTHERS_SECONDS = 0.2
SIGNS = {"added": "+", "removed": "-", "kept": " "}


class Command(BaseCommand):
    help = "Try, compare, send for review or write out policies that are kept as plain files in a directory."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, metavar="test|diff|replay|release|export|check|recover")
        test = acts.add_parser("test", help="mistakes, findings and test cases; fails where it could not be released")
        diff = acts.add_parser("diff", help="what the files change, in sentences and text")
        diff.add_argument("--against", type=int, metavar="VERSION", help="what decides in production unless given")
        replay = acts.add_parser("replay", help="what the files would have made of the decisions there are")
        replay.add_argument("--environment", choices=Environment.values, default=Environment.PRODUCTION.value)
        replay.add_argument("--days", type=int, metavar="DAYS", help="back from now; all there are unless given")
        replay.add_argument("--json", dest="as_json", action="store_true", help="the whole result as JSON")
        release = acts.add_parser("release", help="send the files for review; a second person decides")
        release.add_argument("--environment", choices=Environment.values, default=Environment.PRODUCTION.value)
        release.add_argument("--in-flight", choices=InFlight.values, default=InFlight.RECHECK.value)
        release.add_argument("--message", required=True, help="what it is for")
        release.add_argument("--at", metavar="TIME", help="decide from then on, RFC 3339; once agreed to unless given")
        release.add_argument("--emergency", action="store_true", help="release at once and alone; reviewed afterwards")
        release.add_argument("--reason", default="", help="with --emergency: why it cannot wait for a review")
        release.add_argument("--team", default="", help="who is asked; the team of which most may vote, unless given")
        export = acts.add_parser("export", help="write a version out as files")
        export.add_argument("--version-number", type=int, metavar="VERSION", help="what decides in production")
        acts.add_parser("check", help="read everything that decides; fails where something cannot be read")
        recover = acts.add_parser("recover", help="go back at once to what can be read, where what decides cannot")
        recover.add_argument("--environment", choices=Environment.values, default=Environment.PRODUCTION.value)
        recover.add_argument("--reason", required=True, help="it is kept with the release")
        for act in (test, diff, replay, release, export):
            act.add_argument("directory", type=Path, help="where policy.cedar, parameters.json and tests.yaml are")
        for act in (test, diff, replay, release, export, recover):
            act.add_argument("--set", dest="policy_set", required=True, help="global, or the process")
            act.add_argument("--as", dest="person", required=True, metavar="USERNAME", help="who does this")

    def handle(self, *args: Any, act: str, person: str = "", **options: Any) -> None:
        if act == "check":
            self._check()
            return
        user = User.objects.filter(username=person, is_active=True).first()
        if user is None:
            raise CommandError(f"There is no person “{person}”.")
        actor = actor_for(user, via="command")
        acts = {
            "test": self._test,
            "diff": self._diff,
            "replay": self._replay,
            "release": self._release,
            "export": self._export,
            "recover": self._recover,
        }
        try:
            acts[act](actor, options)
        except MeshError as error:
            for problem in error.details.get("errors", []):
                self.stderr.write(_placed(problem.get("line", 0), problem["sentence"]))
            for sentence in error.details.get("ways_out", []):
                self.stderr.write(sentence)
            raise CommandError(error.sentence) from None

    def _test(self, actor: Actor, options: dict[str, Any]) -> None:
        found = set_for(actor, options["policy_set"])
        checked = check(read_directory(options["directory"]), ground_of(found))
        self._tell(checked)
        if not checked.is_ready:
            raise CommandError("This could not be released.")
        self.stdout.write(f"Ready for review: {len(checked.results)} test cases as expected.")

    def _diff(self, actor: Actor, options: dict[str, Any]) -> None:
        found = set_for(actor, options["policy_set"])
        before = content_of(_version(found, options["against"]))
        after = read_directory(options["directory"])
        self._show(
            difference(
                Content(before.text, before.parameters),
                Content(after.text, after.parameters),
                ground_of(found).setting,
            )
        )

    def _replay(self, actor: Actor, options: dict[str, Any]) -> None:
        """In a draft that is discarded afterwards. It needs no worker: this process does what is left to do."""
        draft = _draft_of(actor, options, message="Replayed from files")
        try:
            replay = replays.replay_draft(
                actor=actor,
                draft_id=draft.id,
                environment=options["environment"],
                since=window_start(options["days"]),
            )
            impact = self._carried_out(replay)
        finally:
            services.discard_draft(actor=actor, draft_id=draft.id, version=draft.version)
        if options["as_json"]:
            self.stdout.write(json.dumps(impact.as_json(), indent=2, ensure_ascii=False))
            return
        self.stdout.write(impact.headline)
        for line in impact.differences:
            self.stdout.write(line.sentence)
        if impact.left_out:
            self.stdout.write(f"{impact.left_out_count:,} could not be decided again:")
        for line in impact.left_out:
            self.stdout.write(f"  {line.sentence}")

    def _carried_out(self, replay: ImpactReplay) -> Impact:
        told = clock.now()
        while replay.is_open:
            if not replays.advance_replay(replay.id):
                time.sleep(OTHERS_SECONDS)  # workers have the last chunks of it
            replay.refresh_from_db(from_queryset=ImpactReplay.objects.select_related(*PARTS))
            if clock.now() - told >= TOLD_EVERY:
                told = clock.now()
                self.stderr.write(f"{replay.done_count:,} of {replay.total_count or 0:,}")
        if replay.failure:
            raise CommandError(replay.failure)
        return impact_of(replay)

    def _release(self, actor: Actor, options: dict[str, Any]) -> None:
        release_at = _moment(options["at"])
        draft = _draft_of(actor, options, message=options["message"])
        wanted = {"draft_id": draft.id, "version": draft.version, "environment": options["environment"]}
        try:
            if options["emergency"]:
                self._release_alone(actor, wanted, options)
                return
            asked = services.request_release(
                actor=actor, **wanted, in_flight=options["in_flight"], release_at=release_at, team=options["team"]
            )
        except MeshError:
            services.discard_draft(actor=actor, draft_id=draft.id, version=draft.version)
            raise
        team = asked.approval.open_team if asked.approval else None
        self.stdout.write(
            f"{asked.id}\nNothing has changed yet: it waits for one of {team}. /policies/reviews/{asked.id}/"
        )

    def _release_alone(self, actor: Actor, wanted: dict[str, Any], options: dict[str, Any]) -> None:
        made = services.release_in_emergency(
            actor=actor, **wanted, in_flight=options["in_flight"], reason=options["reason"]
        )
        self.stdout.write(
            f"{made.request_id}\nIt decides from now on. Its review is due {made.due_at:%Y-%m-%d %H:%M} UTC: "
            f"/policies/reviews/{made.request_id}/"
        )

    def _export(self, actor: Actor, options: dict[str, Any]) -> None:
        release = _version(set_for(actor, options["policy_set"]), options["version_number"])
        if release is None:
            raise NotFound("policy.version_not_found", "Nothing was released of this set.")
        for path in write_directory(options["directory"], content_of(release)):
            self.stdout.write(str(path))

    def _check(self) -> None:
        services.watch_releases()
        found = unreadable_releases()
        for each in found:
            self.stderr.write(f"{each.sentence} {each.why}")
        if found:
            raise CommandError("Some policies that decide cannot be read. `policy recover` goes back to what can.")
        self.stdout.write("All policies that decide can be read.")

    def _recover(self, actor: Actor, options: dict[str, Any]) -> None:
        release = services.recover_release(
            actor=actor,
            policy_set=options["policy_set"],
            environment=options["environment"],
            reason=options["reason"],
        )
        again = release.source.version if release.source else 0
        self.stdout.write(f"{release} decides in {options['environment']}: version {again} again.")

    def _tell(self, checked: Checked) -> None:
        for problem in checked.problems:
            self.stderr.write(_placed(problem.line, problem.sentence))
        for finding in checked.findings:
            self.stderr.write(_placed(finding.line, f"{finding.severity} {finding.code}: {finding.sentence}"))
        for result in checked.results:
            self.stdout.write(f"{'ok  ' if result.passed else 'FAIL'} {result.name}: {result.problem or result.answer}")

    def _show(self, change: Difference) -> None:
        self.stdout.write(f"{change.summary[:1].upper()}{change.summary[1:]}.")
        for field in change.parameters:
            self.stdout.write(f"parameter {field.name}: {field.before or '—'} → {field.after or '—'}")
        for rule in change.changed_rules:
            self.stdout.write(f"{rule.change} {rule.id}")
            for sign, sentence in (("-", rule.before), ("+", rule.after)):
                if sentence:
                    self.stdout.write(f"  {sign} {sentence}")
        for piece in change.text:
            for line in piece.lines if not piece.is_folded else ():
                self.stdout.write(f"{SIGNS[line.kind]} {line.text}")


def _draft_of(actor: Actor, options: dict[str, Any], *, message: str) -> PolicyDraft:
    """A draft with what the files say."""
    content = read_directory(options["directory"])
    draft = services.start_draft(actor=actor, policy_set=options["policy_set"], message=message)
    return services.save_draft(
        actor=actor,
        draft_id=draft.id,
        version=draft.version,
        text=content.text,
        parameters=dict(content.parameters),
        cases=list(content.cases),
    )


def _version(found: PolicySet, version: int | None) -> PolicyRelease | None:
    return present_release(found) if version is None else release_for(found, version)


def _moment(text: str | None) -> dt.datetime | None:
    """Raises CommandError for what names no moment."""
    if text is None:
        return None
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CommandError(f"“{text}” is no time with its zone, like 2026-11-23T08:00:00Z.")
    return moment


def _placed(line: int, sentence: str) -> str:
    return f"line {line}: {sentence}" if line else sentence
