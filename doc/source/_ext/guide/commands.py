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

"""Makes ``program-output`` and ``command-output`` safe to rely on.

sphinxcontrib-programoutput keeps outputs from build to build, waits for ever
for a command that hangs, and only warns, without page and line, about one
that fails. This extension runs the commands itself, just before, and leaves
the results where sphinxcontrib-programoutput looks for them.
"""

import os
import shlex
import subprocess

from sphinxcontrib import programoutput

from guide import ENVIRONMENT, api, fault, shell


class _CommandError(Exception):
    pass


def _run(command, seconds):
    """Return ``(exit status, output)`` of a programoutput Command."""
    errors = subprocess.STDOUT
    if command.hide_standard_error:
        errors = subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            command.command,
            shell=command.shell,  # noqa: S602
            cwd=command.working_directory,
            env={
                **os.environ,
                **ENVIRONMENT,
                'PATH': f'{api.COMMANDS}:{os.environ["PATH"]}',
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    except OSError as error:
        raise _CommandError(
            f'cannot start {_typed(command)!r}: {error}'
        ) from error
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise _CommandError(
            f'{_typed(command)!r} did not end within {seconds:g} s and was '
            'stopped'
        ) from None
    finally:
        shell.stop_group(process)
        process.stdout.close()
    return process.returncode, output.decode(errors='replace').rstrip()


def _typed(command):
    if isinstance(command.command, str):
        return command.command
    return shlex.join(command.command)


def _run_commands(app, doctree):
    results = app.env.programoutput_cache = {}
    for node in doctree.findall(programoutput.program_output):
        app.env.note_reread()
        command = programoutput.Command.from_program_output_node(node)
        if command in results:
            continue
        try:
            status, output = _run(command, app.config.session_timeout)
            if status != node['returncode']:
                raise _CommandError(
                    f'{_typed(command)!r} returned {status}, not '
                    f'{node["returncode"]}; output:\n{output}'
                )
        except _CommandError as error:
            fault(node, str(error))
            output = ''
        results[command] = node['returncode'], output


class ProgramOutput(programoutput.ProgramOutputDirective):
    """As in sphinxcontrib-programoutput; knows its place in an include."""

    def run(self):
        found = super().run()
        place = self.state_machine.get_source_and_line(self.lineno)
        for top in found:
            for node in top.findall(programoutput.program_output):
                node.source, node.line = place
        return found


def setup(app):
    app.setup_extension('guide')
    app.setup_extension('sphinxcontrib.programoutput')
    app.setup_extension('guide.session')  # for session_timeout
    for name in ('program-output', 'command-output'):
        app.add_directive(name, ProgramOutput, override=True)
    # sphinxcontrib-programoutput has the usual 500.
    app.connect('doctree-read', _run_commands, priority=400)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
