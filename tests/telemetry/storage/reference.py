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
"""What storage should answer, in plain Python over a list of samples."""

import datetime
import math
import operator

from telemetry.storage import base

OPERATORS = {
    '=': operator.eq,
    '!=': operator.ne,
    '<': operator.lt,
    '<=': operator.le,
    '>': operator.gt,
    '>=': operator.ge,
    'in': lambda value, values: value in values,
}


def matches(tree, sample):
    match tree:
        case None:
            return True
        case base.And(terms):
            return all(matches(term, sample) for term in terms)
        case base.Or(terms):
            return any(matches(term, sample) for term in terms)
        case base.Not(term):
            return not matches(term, sample)
    if tree.field.startswith('metadata.'):
        key = tree.field.removeprefix('metadata.')
        return any(
            compare_metadata(tree.op, value, tree.value)
            for value in values_of(sample.resource_metadata, key)
        )
    value = getattr(sample, tree.field)
    return value is not None and OPERATORS[tree.op](value, tree.value)


def compare_metadata(op, value, wanted):
    if op == 'in':
        return any(compare_metadata('=', value, each) for each in wanted)
    if kind(value) != kind(wanted):
        return op == '!='
    return OPERATORS[op](value, wanted)


def kind(value):
    if value is None:
        return 0
    if isinstance(value, bool):
        return 1
    return 3 if isinstance(value, str) else 2


def values_of(document, key):
    """Return the plain values that a dotted key leads to."""
    found = []
    for name in sorted(document):
        value = document[name]
        if isinstance(value, dict):
            if key.startswith(name + '.'):
                found += values_of(value, key[len(name) + 1 :])
        elif name == key and isinstance(value, bool | int | float | str):
            found.append(value)
    return found


def samples(stored, tree=None, orderby=(('timestamp', 'desc'),), limit=None):
    """Return what Storage.samples should, given what was stored in order."""
    found = [sample for sample in stored if matches(tree, sample)]
    if orderby and orderby[-1][1] == 'desc':
        found.reverse()
    for field, how in reversed(orderby):
        present = [s for s in found if getattr(s, field) is not None]
        missing = [s for s in found if getattr(s, field) is None]
        reverse = how == 'desc'
        # Unlike reverse=True, this keeps equal ones in their order.
        present.sort(key=operator.attrgetter(field))
        if reverse:
            present = stable_reverse(present, field)
        found = present + missing if reverse else missing + present
    return found[:limit]


def stable_reverse(found, field):
    groups = {}
    for sample in found:
        groups.setdefault(getattr(sample, field), []).append(sample)
    return [sample for group in reversed(groups.values()) for sample in group]


def statistics(stored, tree, lower, period, groupby, aggregates):
    """Return what Storage.statistics should.

    ``lower`` is the earliest timestamp that the filter asks for, or None.
    """
    found = [sample for sample in stored if matches(tree, sample)]
    if not found:
        return []
    start = lower or min(sample.timestamp for sample in found)
    rows = {}
    for sample in found:
        number = 0
        if period:
            length = datetime.timedelta(seconds=period)
            number = (sample.timestamp - start) // length
        group = tuple(group_value(sample, field) for field in groupby)
        order = [(kind(value), value) for value in group]
        rows.setdefault((number, tuple(order)), []).append(sample)
    result = []
    for (number, order), members in sorted(
        rows.items(), key=operator.itemgetter(0)
    ):
        times = [sample.timestamp for sample in members]
        if period:
            period_start = start + number * datetime.timedelta(seconds=period)
            period_end = period_start + datetime.timedelta(seconds=period)
        else:
            period_start, period_end = min(times), max(times)
        result.append(
            base.Statistics(
                unit=max(sample.counter_unit for sample in members),
                period=period or 0,
                period_start=period_start,
                period_end=period_end,
                duration=(max(times) - min(times)).total_seconds(),
                duration_start=min(times),
                duration_end=max(times),
                values={
                    each.label: aggregate(each, members) for each in aggregates
                },
                groupby=dict(
                    zip(groupby, [value for _, value in order], strict=True)
                )
                or None,
            )
        )
    return result


def group_value(sample, field):
    if field.startswith('metadata.'):
        key = field.removeprefix('metadata.')
        return next(iter(values_of(sample.resource_metadata, key)), None)
    return getattr(sample, field)


def aggregate(wanted, members):
    volumes = [sample.counter_volume for sample in members]
    if wanted.func == 'cardinality':
        return len(
            {getattr(sample, wanted.param) for sample in members} - {None}
        )
    count, total = len(volumes), math.fsum(volumes)
    mean = total / count
    return {
        'avg': mean,
        'sum': total,
        'min': min(volumes),
        'max': max(volumes),
        'count': count,
        'stddev': math.sqrt(
            math.fsum((volume - mean) ** 2 for volume in volumes) / count
        ),
    }[wanted.func]
