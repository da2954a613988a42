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

"""Ask a telemetry API without a break, and see whether anything gets lost.

Stop it with SIGTERM or Ctrl-C. Then it asks for all that it has stored, and
prints what it found: ``python3 -m move URL``.
"""

import argparse
import signal
import sys
import threading

from move import witness


def main(argv=None):
    """Run until a signal comes; return 0 if nothing failed or got lost."""
    parser = argparse.ArgumentParser('move', description=__doc__)
    parser.add_argument('url', help='the URL of the API, without /v2')
    parser.add_argument(
        '--ca-file',
        metavar='FILE',
        help='the certificates to check an https URL with',
    )
    parser.add_argument(
        '--clients',
        type=int,
        default=4,
        metavar='NUMBER',
        help='how many ask at the same time (default: 4)',
    )
    options = parser.parse_args(argv)
    finished = threading.Event()
    # Also where a shell that runs it in the background lets it ignore one.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: finished.set())
    with witness.Witness(
        options.url, options.clients, options.ca_file or True
    ) as asking:
        finished.wait()
    report = asking.report()
    print(report)
    return 0 if report.is_good else 1


if __name__ == '__main__':
    sys.exit(main())
