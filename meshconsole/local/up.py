"""`./console up`: from nothing to a working console in one foreground process."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Mapping

from meshconsole.local import environment as environments
from meshconsole.local import port, processes, static_files
from meshconsole.local.demo import SIGN_IN, Demo
from meshconsole.local.home import Home
from meshconsole.local.launch import CHECKOUT
from meshconsole.local.processes import Child
from meshconsole.local.scratch import Scratch
from meshconsole.local.steps import Steps
from meshconsole.local.stopping import Stopped, StopRequest
from meshconsole.local.supervisor import Supervisor
from meshconsole.local.terminal import Trouble, say

# A Python process is bound by its interpreter lock. Elsewhere than on Linux, one process on a port gets all who come.
WEB_PROCESSES = 2 if sys.platform == "linux" else 1
WEB_THREADS = 8
WORKER_PROCESSES = 2
# Whoever waits for an answer goes before what is done behind it: a quarter of a processor is left for that in any case.
BEHIND_NICENESS = 5
WEB_START_SECONDS = 120.0
# Ended this often before it answered once: waiting longer would help nobody.
WEB_FAILURES = 3


def main(arguments: list[str]) -> int:
    """Runs until it is asked to stop; 0 then."""
    parser = argparse.ArgumentParser(prog="./console up", allow_abbrev=False)
    port_default, host_default = environments.DEFAULT_PORT, environments.DEFAULT_HOST
    parser.add_argument("--port", type=int, default=port_default, help=f"where the web listens ({port_default})")
    parser.add_argument("--host", default=host_default, help=f"the address it listens on ({host_default})")
    parser.add_argument("--no-demo", action="store_true", help="without the order-to-cash reference mesh")
    parser.add_argument("--home", help="where state lives (default MESHCONSOLE_HOME, or .home in the checkout)")
    options = parser.parse_args(arguments)
    if not options.no_demo and options.host not in environments.LOOPBACK:
        raise Trouble(f"The demo lets everyone in without a password, so not on {options.host}. Add --no-demo.")
    home = Home.at(options.home)
    stop = StopRequest().listen()
    with home.claimed("up"):
        # first what a killed run left behind: it may be what holds the port
        processes.end_marked(str(home.path))
        port.refuse_taken(options.port, options.host)
        Console(home, stop, host=options.host, port=options.port, demo=not options.no_demo).run()
    return 0


class Console:
    """The processes of one console on one home."""

    def __init__(self, home: Home, stop: StopRequest, *, host: str, port: int, demo: bool) -> None:
        self._home, self._stop, self._host, self._port = home, stop, host, port
        self._demo = Demo(home.demo) if demo else None
        self._scratch = Scratch(home.path / "scratch")
        self._steps = Steps(log=home.logs / "setup.log", stop=stop)
        self._supervisor = Supervisor(stop, say)

    def run(self) -> None:
        """Starts everything, looks after it, and leaves no process, socket or temporary directory when it returns."""
        self._scratch.clear()
        try:
            self._start()
            while not self._supervisor.wait(1.0):
                pass
        except Stopped:
            # asked for while something was being started
            pass
        finally:
            say("Stopping.")
            began = time.monotonic()
            self._supervisor.stop()
            processes.end_marked(str(self._home.path))
            self._scratch.clear()
            say(f"Stopped in {time.monotonic() - began:.1f} s.")

    def _start(self) -> None:
        say(f"Starting on {self._home.path} …")
        stores = environments.embedded_stores(self._home, self._scratch, self._stop)
        for store in stores:
            self._stop.check()
            self._supervisor.start(store)
        environment = self._environment(environments.variables_of(stores))
        self._home.announce("up", environments.announced(environment))
        self._prepare(environment)
        self._supervisor.start(*self._children(environment))
        self._wait_for_the_web()
        if self._demo:
            console = f"http://127.0.0.1:{self._port}"
            self._supervisor.start(
                self._demo.child(console=console, environment=environment, log=self._home.logs / "demo.log")
            )
        self._greet(environment["BASE_URL"])

    def _environment(self, stores: Mapping[str, str]) -> dict[str, str]:
        told = {**stores, **environments.addresses(host=self._host, port=self._port)}
        if self._demo:
            told["DEMO"] = "1"
        return {**environments.for_django(self._home, told), processes.MARK: str(self._home.path)}

    def _prepare(self, environment: Mapping[str, str]) -> None:
        self._steps.run(
            "Migrating the database", "manage.py", "migrate", "--noinput", "-v", "0", environment=environment
        )
        static_files.collect(self._home, self._steps, environment)
        if self._demo:
            self._demo.prepare(self._steps, environment)

    def _children(self, environment: Mapping[str, str]) -> list[Child]:
        celery = ["celery", "--quiet", "-A", "meshconsole"]
        worker = f"worker --pool prefork --concurrency {WORKER_PROCESSES} --loglevel WARNING".split()
        # by itself: a worker that is killed takes no clock with it
        beat = ["beat", "--schedule", str(self._home.path / "beat-schedule"), "--loglevel", "WARNING"]
        return [
            *self._web(environment),
            self._child("worker", [*celery, *worker], environment, niceness=BEHIND_NICENESS),
            self._child("beat", [*celery, *beat], environment, niceness=BEHIND_NICENESS),
        ]

    def _web(self, environment: Mapping[str, str]) -> list[Child]:
        # what speaks to it is browsers, programs and proxies over HTTP/1.1, and one thread reads and writes for all
        web = ["granian", "--interface", "wsgi", "--http", "1", "--no-ws", "--runtime-mode", "st", "--workers", "1"]
        web += ["--workers-kill-timeout", "3", "--blocking-threads", str(WEB_THREADS)]
        web += ["--host", self._host, "--port", str(self._port), "meshconsole.wsgi:application"]
        # connections that are kept pay nowhere but in the web
        environment = {**environment, "DB_KEEP": "1", "WEB_THREADS": str(WEB_THREADS)}
        # Only one thread of a process runs at a time: on a processor of its own it finds what the last one left warm.
        # Where there are more processors they share fewer, and the kernel knows better.
        processors: list[int | None] = [*processes.processors()]
        if len(processors) != WEB_PROCESSES:
            processors = [None] * WEB_PROCESSES
        return [
            self._child(f"web-{number}", web, environment, processor=processor)
            for number, processor in enumerate(processors, start=1)
        ]

    def _child(
        self,
        name: str,
        module: list[str],
        environment: Mapping[str, str],
        *,
        niceness: int = 0,
        processor: int | None = None,
    ) -> Child:
        return Child(
            name,
            [sys.executable, "-m", *module],
            environment=environment,
            directory=CHECKOUT,
            log=self._home.logs / f"{name}.log",
            grace_seconds=5.0,
            niceness=niceness,
            processor=processor,
        )

    def _wait_for_the_web(self) -> None:
        deadline = time.monotonic() + WEB_START_SECONDS
        while not port.answers(self._port, self._host, "/healthz"):
            if time.monotonic() > deadline or self._supervisor.failures("web-1") >= WEB_FAILURES:
                log = self._home.logs / "web-1.log"
                raise Trouble(f"The web does not come up:\n{processes.last_lines(log)}\n(from {log})")
            if self._supervisor.wait(0.1):
                raise Stopped

    def _manage(self) -> str:
        elsewhere = self._home.path != Home.at().path
        return f"{f'MESHCONSOLE_HOME={shlex.quote(str(self._home.path))} ' if elsewhere else ''}./console manage"

    def _greet(self, url: str) -> None:
        say(f"\n  Mesh Console answers at {url}/")
        say(f"  Sign in: {SIGN_IN if self._demo else f'{self._manage()} createsuperuser, then open the URL'}")
        say(f"  Logs:    {self._home.logs}")
        say("  Stop:    Ctrl-C\n")
