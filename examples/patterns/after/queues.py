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

"""Hand work to one consumer, and wait until all is done."""

import queue
import threading

END = object()


def consume(items, work):
    """Call work(item) for each, in order, while more items are made; at most
    ten of them wait."""
    waiting = queue.Queue(10)

    def consumer():
        while (item := waiting.get()) is not END:
            work(item)

    thread = threading.Thread(target=consumer)
    thread.start()
    try:
        for item in items:
            waiting.put(item)
    finally:
        # Nobody can kill a thread: it is asked to end.
        waiting.put(END)
        thread.join()
