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
"""What can go wrong in storage, in words for a user or an operator.

No message ever holds a password: database addresses are shown without
password and query.
"""


class StorageError(Exception):
    """Base of all errors of this package."""


class StorageUnavailable(StorageError):  # noqa: N818
    """The database cannot be reached or used; one line says why."""


class StorageBusy(StorageUnavailable):  # noqa: N818
    """No connection to the database is free: pool or server has its fill."""


class StorageTimeout(StorageUnavailable):  # noqa: N818
    """The database ended a statement that took longer than it allows."""


class SchemaMissing(StorageError):  # noqa: N818
    """The database lacks the tables of this version of the service."""


class FilterError(StorageError):
    """A query asks for something that storage cannot answer.

    ``field`` is the field at fault, ``why`` says what is wrong with it.
    """

    def __init__(self, field, why):
        super().__init__(f'{field}: {why}')
        self.field = field
        self.why = why


class TooManyRows(StorageError):  # noqa: N818
    """An answer would have more rows than the caller can take."""


class SampleError(StorageError):
    """A sample cannot be stored as it is; nothing of its batch was stored.

    ``index`` is its place in the batch, from 0; ``field`` and ``why`` say
    what is wrong with it.
    """

    def __init__(self, index, field, why):
        super().__init__(f'sample {index}: {field}: {why}')
        self.index = index
        self.field = field
        self.why = why
