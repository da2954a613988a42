# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Joins what a run saw with what a reading found."""

import dataclasses
import enum

from audit.reading import Reader, Reading
from audit.targets import Target


class Verdict(enum.StrEnum):
    """What an entry point does to the process."""

    ON_IMPORT = 'patches on import'
    WHEN_RUN = 'patches when run'
    IMPORTS = 'imports eventlet without patching'
    NEVER = 'never touches it'
    NOT_IMPORTED = 'could not be imported'

    @property
    def is_finding(self):
        return self in (Verdict.ON_IMPORT, Verdict.WHEN_RUN)


@dataclasses.dataclass
class Result:
    """The verdict on one target, and what it rests on."""

    target: Target
    verdict: Verdict
    #: ``'seen'`` in a run, or ``'read'`` in the source.
    evidence: str
    #: From the entry point to the first ``monkey_patch`` call, or to the
    #: import of eventlet, or to the line where the import failed.
    chain: tuple = ()
    #: Why it could not be imported, or ''.
    error: str = ''
    #: What of the standard library is patched after the import.
    patched: tuple = ()
    #: Whether eventlet is only tried, and done without if it is missing.
    optional: bool = False
    #: Environment variables that decide about the chain.
    switches: tuple = ()
    #: Chains to ``monkey_patch`` calls that this import passed by, with the
    #: variables that decide about them: [(chain, switches)].
    passed_by: list = dataclasses.field(default_factory=list)
    #: Other functions of eventlet that the import calls: [(name, Frame)].
    uses: list = dataclasses.field(default_factory=list)
    #: What the sandbox did not allow: [(action, Frame or None)].
    denied: list = dataclasses.field(default_factory=list)
    #: Whether the reading met its bound.
    cut: bool = False


class Judge:
    """Judges the targets of one environment; reads each file once.

    :param path: ``sys.path`` of the environment.
    """

    def __init__(self, path):
        self._reader = Reader(path)

    def judge(self, target, run):
        """The :class:`Result` for a target and its ``run.Run``."""
        denied = {
            action: chain[-1] if chain else None
            for action, chain in run.denied
        }
        if run.parts:
            reading = Reading()
            result = Result(
                target,
                Verdict.ON_IMPORT,
                'seen',
                run.patch,
                switches=self._reader.switches(run.patch, run.modules),
            )
        else:
            reading = self._reader.walk(target, run)
            result = self._not_patched(target, run, reading)
        result.error = run.error
        result.patched = run.parts
        result.uses = list(
            dict.fromkeys((name, chain[-1]) for name, chain in run.uses)
        )
        result.denied = list(denied.items())
        result.cut = reading.cut
        return result

    def _not_patched(self, target, run, reading):
        # Code that did run has told all about itself: it passed by.
        passed, would = [], []
        for found in _each_once(reading.patches):
            if found.phase == 'run':
                continue
            ran = (
                run.missing != 'eventlet'
                and found.chain[-1].module in run.modules
            )
            (would if run.error and not ran else passed).append(found)
        result = self._verdict(target, run, reading, would)
        if result.verdict is not Verdict.ON_IMPORT:
            result.passed_by = [(one.chain, one.switches) for one in passed]
        return result

    def _verdict(self, target, run, reading, would):
        if would:
            return self._read(target, Verdict.ON_IMPORT, would[0])
        for found in reading.patches:
            if found.phase == 'run':
                return self._read(target, Verdict.WHEN_RUN, found)
        if run.error:
            return Result(target, Verdict.NOT_IMPORTED, 'seen', run.failure)
        if run.eventlet:
            return self._imports(target, run)
        for found in reading.imports:
            if found.phase == 'run':
                return self._read(target, Verdict.IMPORTS, found)
        return Result(target, Verdict.NEVER, 'seen')

    def _read(self, target, verdict, found):
        return Result(
            target, verdict, 'read', found.chain, switches=found.switches
        )

    def _imports(self, target, run):
        without = run.without
        optional = without is None or without.imported
        return Result(
            target,
            Verdict.IMPORTS,
            'seen',
            run.eventlet if optional else without.last_eventlet,
            optional=optional,
        )


def _each_once(found):
    places = {}
    for one in found:
        last = one.chain[-1]
        places.setdefault((last.file, last.line), one)
    return places.values()
