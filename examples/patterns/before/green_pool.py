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

"""Work on many things, so many at a time."""

import eventlet


def work_on_each(work, things, at_once):
    """Return what work(thing) gives for each, in the order of the things.

    :raises Exception: the first that work raises
    """
    pool = eventlet.GreenPool(at_once)
    return list(pool.imap(work, things))
