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


"""The application that the tests serve; it also shows what it is told."""

import os
import pathlib
import threading
import time

VERSION = 'first'


def application(environ, start_response):
    """``/hold`` says that it is inside and answers when it is released.

    Both with files, so that it works in threads and in processes.
    """
    if environ['PATH_INFO'] == '/hold':
        here = f'inside-{os.getpid()}-{threading.get_ident()}'
        pathlib.Path(here).touch()
        while not pathlib.Path('release').exists():
            time.sleep(0.01)
    start_response('200 OK', [('Content-Type', 'text/plain')])
    concurrency = [
        name
        for name in ('multithread', 'multiprocess')
        if environ[f'wsgi.{name}']
    ]
    return [
        f'{VERSION} {os.getpid()} {environ["wsgi.url_scheme"]} '.encode(),
        ' '.join(concurrency).encode(),
    ]
