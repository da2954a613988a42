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

import math

from tests.telemetry.storage.samples import sample


def test_each_sample_that_cannot_be_stored_is_told(storage):
    storage.add_samples([sample(message_id='there')])
    samples = [
        sample(),
        sample(message_id='there'),
        sample(counter_volume=math.nan),
        sample(message_id='twice'),
        sample(message_id='twice'),
        sample(message_id='\0'),
        sample(resource_metadata={'a': b'bytes'}),
        sample(),
    ]
    faults = storage.faults(samples)
    assert [(fault.index, fault.field) for fault in faults] == [
        (1, 'message_id'),
        (2, 'counter_volume'),
        (4, 'message_id'),
        (5, 'message_id'),
        (6, 'resource_metadata'),
    ]
    bad = {fault.index for fault in faults}
    good = [each for index, each in enumerate(samples) if index not in bad]
    assert storage.faults(good) == []
    storage.add_samples(good)
    assert len(storage.samples()) == 1 + len(good)


def test_nothing_has_no_faults(storage):
    assert storage.faults([]) == []
