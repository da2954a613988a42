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

"""The eventlet room: importing it monkey-patches the process.

It comes before every import that a command in here makes, since a name that
another module has already copied stays as it was. Nothing else in this
package imports eventlet, and nothing else in it imports this room.
"""

import pathlib
import sys
import warnings

# Eight lines on every start; the commands in here say themselves, in one,
# that they are not for production.
warnings.filterwarnings('ignore', message=r'\s*Eventlet is deprecated')

try:
    import eventlet
except ImportError as error:
    # The start of a console script imports this; it has no other way to fail
    # with one line.
    sys.exit(
        f'{pathlib.Path(sys.argv[0]).name}: error: cannot import eventlet: '
        f"{error}; in the clone, install it with: pip install '.[eventlet]'"
    )

eventlet.monkey_patch()
