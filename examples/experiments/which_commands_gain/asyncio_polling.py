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

"""``telemetry-polling`` with asyncio: the same command but for the waiting.

The services are asked with httpx, since requests knows no asyncio; so a
difference to the other styles is one of this library, too.
"""

import asyncio
import sys
import time

import httpx
from telemetry.cmd import polling


def answers(options, stop):
    """Do what telemetry.cmd.polling.answers does."""
    return asyncio.run(_answers(options))


async def _answers(options):
    places = asyncio.Semaphore(options.check_concurrency)
    async with httpx.AsyncClient(
        timeout=options.check_timeout,
        limits=httpx.Limits(max_connections=options.check_concurrency),
    ) as client:
        found = await asyncio.gather(
            *(_answer(client, places, url) for url in options.check_urls)
        )
    return [figure for figures in found for figure in figures]


async def _answer(client, places, url):
    async with places:
        started = time.monotonic()
        try:
            async with client.stream('GET', url) as response:
                answer, up = str(response.status_code), True
        except httpx.HTTPError as error:
            answer, up = type(error).__name__, False
        seconds = time.monotonic() - started
    figure, metadata = polling.Figure, {'answer': answer}
    return [
        figure('http.up', 'gauge', 'up', int(up), metadata, None, url),
        figure('http.time', 'gauge', 's', seconds, metadata, None, url),
    ][: 1 + up]


if __name__ == '__main__':
    polling.answers = answers
    sys.exit(polling.main())
