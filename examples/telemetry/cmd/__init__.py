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

"""The eventlet-free commands, and the shell that all of them share."""

import signal
import sys

from oslo_config import cfg
from oslo_log import log

from telemetry import conf as telemetry_conf
from telemetry.storage import errors

LOG = log.getLogger(__name__)


class CommandError(Exception):
    """A failure whose message is all that the caller of a command needs."""


#: What may go wrong outside this program. Anything else is a bug, and shows
#: its traceback.
EXPECTED = (
    CommandError,
    cfg.Error,
    log.LogConfigError,
    errors.StorageUnavailable,
    errors.SchemaMissing,
    OSError,
)


def run(prog, work, argv=None, cli_opts=()):
    """Run the command ``prog`` and return its exit status.

    :param work: called with the loaded and checked configuration; what it
        returns is the exit status, and None means 0.
    :param argv: the arguments; None means those of the process.
    :param cli_opts: oslo.config options of this command alone.
    :raises SystemExit: after ``--help`` and ``--version`` (0), a usage error
        (2), SIGINT (130) and SIGTERM (143), unless ``work`` handles them.

    An expected failure gives one line on stderr and the status 1. With
    ``--debug`` its traceback is logged, too.
    """
    previous = {
        number: signal.signal(number, _interrupted)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        if argv is None:
            argv = sys.argv[1:]
        conf = telemetry_conf.load(argv, prog=prog, cli_opts=cli_opts)
        _check_values(conf)
        log.setup(conf, 'telemetry')
        return work(conf) or 0
    except EXPECTED as error:
        LOG.debug('The command failed', exc_info=True)
        print(f'{prog}: error: {_one_line(error)}', file=sys.stderr)
        return 1
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _interrupted(number, frame):
    sys.exit(128 + number)


def _check_values(conf):
    """Read every option once: oslo.config looks at a value, and raises
    cfg.Error if it is a bad one, only when it is asked for."""
    for name in conf:
        if isinstance(conf[name], cfg.ConfigOpts.GroupAttr):
            dict(conf[name])


def _one_line(error):
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
        if error.filename is not None:
            text = f'{error.filename}: {text}'
    else:
        text = str(error)
    return ' '.join(text.split())
