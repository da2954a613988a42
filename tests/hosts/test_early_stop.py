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

"""uWSGI is told to stop while it does not listen to that by itself."""

import pathlib
import time

import hosts
import pytest


@pytest.mark.parametrize('name', ['uwsgi', 'uwsgi-debian'])
def test_stops_while_a_worker_imports_the_application(name, tmp_path):
    slow = tmp_path / 'slow'
    (tmp_path / 'slowly.py').write_text(
        'import pathlib, time\n'
        'from applications import application\n'
        f'if pathlib.Path({str(slow)!r}).exists():\n'
        '    print("importing slowly", flush=True)\n'
        '    time.sleep(600)\n'
    )
    here = pathlib.Path(__file__).parent
    server = hosts.find()[name](
        'slowly:application', tmp_path / 'host', python_path=[tmp_path, here]
    )
    with server:
        slow.touch()
        server.request_reload()
        deadline = time.monotonic() + server.patience
        while 'importing slowly' not in server.log_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # Fails where it takes as long as the sample gives its workers.
        server.stop()
    assert 'goodbye to uWSGI' in server.log_text()
