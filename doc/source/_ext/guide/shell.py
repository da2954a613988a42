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

"""A shell that runs a page's commands one after another, as a reader does."""

import os
import re
import selectors
import shlex
import signal
import socket
import subprocess
import time
import uuid

from guide import ENVIRONMENT

#: The port on which the pages say that the telemetry API listens.
PORT = 8777


class CommandTimeoutError(Exception):
    """A command did not end in time, and was stopped."""

    def __init__(self, command, seconds, output):
        super().__init__(
            f'{command!r} did not end within {seconds:g} s and was stopped; '
            f'output so far:\n{output}'
        )
        self.output = output


class ShellEndedError(Exception):
    """The shell itself ended: a command such as ``exit`` was run."""


def free_port():
    """Return a TCP port of 127.0.0.1 that is free at this moment."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


def stop_group(process, seconds=3):
    """End ``process``, the leader of a process group, and its whole group.

    Those that do not end on SIGTERM within ``seconds`` get SIGKILL.
    """
    deadline = time.monotonic() + seconds
    try:
        os.killpg(process.pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            process.poll()  # else the leader stays in the group as a zombie
            os.killpg(process.pid, 0)
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Shell:
    """One bash that keeps its folder, variables and background jobs.

    :param cwd: the folder that the shell starts in.
    :param env: its whole environment.
    :param seconds: how long one command may run.
    :param port: the port that stands for 8777: the commands say 8777, and
        so does their output, but this one is really used.
    :param inside: a command that runs the one behind it somewhere else, such
        as nsenter.
    """

    def __init__(self, cwd, env, seconds, port, inside=()):
        self.seconds = seconds
        self._port = port
        self._process = subprocess.Popen(
            [*inside, 'bash', '--noprofile', '--norc'],
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def close(self):
        """Stop the shell and everything that it has started."""
        stop_group(self._process)
        self._process.stdin.close()
        self._process.stdout.close()

    def run(self, command):
        """Run one command as typed; return ``(exit status, output)``.

        :raises CommandTimeoutError: it did not end in time; the shell is
            closed.
        :raises ShellEndedError: the command ended the shell.
        """
        mark = f'end-{uuid.uuid4().hex}'
        self._send(command, f'\nprintf "{mark} %d\\n" $?\n')
        output = self._read_until(
            lambda text: mark in text and text.endswith('\n'), command
        )
        output, _, status = output.rpartition(mark)
        return int(status), output

    def start(self, command, ready):
        """Run a command that stays in the foreground, such as a server.

        Return its output as soon as ``ready(output)`` is true. It goes on
        until the shell is closed, and the shell takes no more commands.

        :raises CommandTimeoutError: ``ready`` never became true.
        :raises ShellEndedError: the command ended before that.
        """
        self._send(command, '\nexit\n')
        return self._read_until(ready, command)

    def _send(self, command, then):
        typed = shlex.quote(_replace_port(command, PORT, self._port))
        # eval, so that a command that reads its input does not read the
        # commands after it.
        line = f'eval {typed} </dev/null{then}'
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()

    def _read_until(self, done, command):
        output = b''
        deadline = time.monotonic() + self.seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while True:
                text = output.decode(errors='replace')
                text = _replace_port(text, self._port, PORT)
                if done(text):
                    return text
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    self.close()
                    raise CommandTimeoutError(command, self.seconds, text)
                chunk = os.read(self._process.stdout.fileno(), 65536)
                if not chunk:
                    raise ShellEndedError(
                        f'{command!r} ended the shell; output:\n{text}'
                    )
                output += chunk


def _replace_port(text, old, new):
    return re.sub(rf'(?<![\w.-]){old}(?!\w)', str(new), text)


def environment(home, port, **more):
    """Return an environment for :class:`Shell`: this process's own, without
    what belongs to its virtual environment, with the guide's fixed parts.

    :param home: the folder for ``$HOME``.
    :param port: where a telemetry API that a command starts listens.
    """
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(('OS_', 'PYTHON', 'TOX_', 'VIRTUAL_ENV'))
    }
    return {
        **env,
        **ENVIRONMENT,
        'HOME': str(home),
        'OS_API__PORT': str(port),
        'OS_POLLING__ENDPOINT': f'http://127.0.0.1:{port}',
        **more,
    }


def split_commands(lines):
    """Split a console session into ``[(line number, command, output)]``.

    ``lines`` hold commands after ``$ ``. A command goes on over lines that
    end in a backslash, and over a here-document whose word is ``EOF``; these
    are the ones that the copy button copies whole. The lines that follow a
    command are its output.

    :raises ValueError: the first line is no command, or a here-document
        never ends.
    """
    commands = []
    inside = False
    for number, line in enumerate(lines):
        if inside:
            commands[-1][1].append(line)
        elif line.startswith('$ '):
            commands.append((number, [line[2:]], []))
        elif commands:
            commands[-1][2].append(line)
        elif line.strip():
            raise ValueError(
                f'a session starts with a command after "$ ", not {line!r}'
            )
        else:
            continue
        if inside or line.startswith('$ '):
            here = [x for x in commands[-1][1] if 'EOF' in x]
            inside = line.endswith('\\') or len(here) % 2 == 1
    if inside:
        raise ValueError('the last command is not complete')
    return [
        (number, '\n'.join(command), '\n'.join(output).strip('\n'))
        for number, command, output in commands
    ]
