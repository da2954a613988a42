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

"""What all commands share: options, signals, logging, and clear errors."""

import copy
import re
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


def run(prog, work, argv=None, cli_opts=(), settings=None, description=None):
    """Run the command ``prog`` and return its exit status.

    :param work: called with the loaded and checked configuration; what it
        returns is the exit status, and None means 0.
    :param argv: the arguments; None means those of the process.
    :param cli_opts: oslo.config options of this command alone.
    :param settings: ``(group, options)``: options of the configuration
        file that this command also takes from its command line, there
        without the name of the group (``--port`` sets ``[api] port``).
    :param description: one sentence for ``--help``.
    :raises SystemExit: after ``--help`` (0), a usage error (2), SIGINT (130)
        and SIGTERM (143), unless ``work`` handles the signals.

    An expected failure gives one line on stderr and the status 1. With
    ``--debug`` its traceback is logged, too.
    """
    group, options = settings or (None, ())
    previous = {
        number: signal.signal(number, _interrupted)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        conf = telemetry_conf.load(
            sys.argv[1:] if argv is None else argv,
            prog=prog,
            cli_opts=[*cli_opts, *map(_plain, options)],
            description=description,
        )
        for option in options:
            place = conf.get_location(option.dest)
            if place and place.location is cfg.Locations.command_line:
                conf.set_override(option.dest, conf[option.dest], group)
        # Otherwise oslo.log takes stdout, which is for the command's answer.
        conf.set_default('use_stderr', not (conf.log_file or conf.log_dir))
        log.setup(conf, 'telemetry')
        return work(conf) or 0
    except EXPECTED as error:
        LOG.debug('The command failed', exc_info=True)
        return fail(prog, error)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def fail(prog, error):
    """Say in one line why the command failed, and return its exit status."""
    print(f'{prog}: error: {_one_line(error)}', file=sys.stderr)
    return 1


def _interrupted(number, frame):
    sys.exit(128 + number)


def _plain(option):
    """A copy for the command line alone; the group keeps the default."""
    option = copy.copy(option)
    option.name = option.name.replace('_', '-')
    option.default = None
    option.deprecated_opts = []
    return option


def _one_line(error):
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
        if error.filename is not None:
            text = f'{error.filename}: {text}'
    else:
        # oslo.config names the place of a bad value with a repr.
        text = re.sub(
            r"from LocationInfo\(.*, detail='(.*?)'\)", r'in \1', str(error)
        )
    return ' '.join(text.split())
