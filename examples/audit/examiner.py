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

"""Imports one target in a fresh Python, and tells what happens.

Started by ``run`` as a file, not as a module, with ``python -I -S``: in the
examined environment nothing of the audit itself is importable, and not even
``site`` has run before the sandbox closes.

``argv[1]`` is a JSON object:

===========  ===============================================================
``events``   number of the open file that takes the events
``folder``   the only folder that may be written to
``seconds``  limit of processor time
``memory``   limit of address space, in bytes
``path``     folders to look for modules in, after those of the environment
``name``     the name that the program finds in ``sys.argv[0]``
``module``   what to import, or null for nothing
``attribute``  what to look up in the module, or null
``script``   a file to load instead of a module, or null
``hide_eventlet``  whether it shall not be found
===========  ===============================================================

Events are JSON objects, one in a line; ``event`` tells the kind:

============  ==============================================================
``start``     the sandbox is closed, and the import begins
``eventlet``  somebody looks for eventlet, not found before; ``stack``
``patch``     ``monkey_patch`` is called; ``stack``
``patched``   it has returned; ``parts`` as in ``end``
``use``       another function of eventlet that matters; ``name``, ``stack``
``denied``    the sandbox does not allow this; ``action``, ``stack``
``failed``    the import failed; ``error``, ``missing`` (a module), ``stack``
``end``       all is done: ``parts`` (which of the standard library is
              patched), ``modules`` (name: [file, folders]), ``sys_path``,
              ``python``, ``scripts``
============  ==============================================================

A stack is a list of [module, function, file, line], the outermost first.
"""

import _thread
import functools
import importlib
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import select
import socket
import subprocess
import sys
import threading
import time
import types

_MODULES = {
    'os': (os,),
    'select': (select,),
    'socket': (socket,),
    'subprocess': (subprocess,),
    'thread': (_thread, threading),
    'time': (time,),
}
_ORIGINALS = [
    (part, module, dict(vars(module)))
    for part, modules in _MODULES.items()
    for module in modules
]
#: Functions of eventlet to tell about, by the module that defines them.
_WATCHED = {
    'eventlet.patcher': ('import_patched', 'monkey_patch'),
    'eventlet.hubs': ('get_hub', 'use_hub'),
}
_IMPORTLIB = f'{pathlib.Path(importlib.__file__).parent}{os.sep}'
_SANDBOX = str(pathlib.Path(__file__).with_name('sandbox.py'))

# What was there before anything could be monkey-patched.
_exit = os._exit
_write = os.write


class _Events:
    def __init__(self, file):
        self._file = file

    def tell(self, event, **more):
        data = json.dumps({'event': event, **more}).encode() + b'\n'
        while data:
            data = data[_write(self._file, data) :]


def _machinery(file):
    return file in (__file__, _SANDBOX) or file.startswith(
        ('<frozen importlib', _IMPORTLIB)
    )


def _frames(frame):
    """The frames of the target's own code, the innermost first."""
    while frame is not None:
        if not _machinery(frame.f_code.co_filename):
            yield frame
        frame = frame.f_back


def _entry(frame, line):
    code = frame.f_code
    function = getattr(code, 'co_qualname', code.co_name)
    module = frame.f_globals.get('__name__', '')
    return [module, function, code.co_filename, line]


def _stack():
    frames = _frames(sys._getframe(1))
    return [_entry(frame, frame.f_lineno) for frame in frames][::-1]


def patched_parts():
    """Which parts of the standard library are eventlet's now, sorted."""
    return sorted(
        {
            part
            for part, module, originals in _ORIGINALS
            for name, original in originals.items()
            if _is_eventlet(getattr(module, name, original), original)
        }
    )


def _is_eventlet(value, original):
    if value is original:
        return False
    module = getattr(value, '__module__', None)
    if isinstance(value, types.ModuleType):
        module = value.__name__
    return isinstance(module, str) and module.split('.')[0] == 'eventlet'


class _Watch:
    """Sees every module when it is looked for, before it is loaded."""

    def __init__(self, events, hide_eventlet):
        self._events = events
        self._hide_eventlet = hide_eventlet

    def find_spec(self, name, path=None, target=None):
        if name == 'eventlet':
            self._events.tell('eventlet', stack=_stack())
            if self._hide_eventlet:
                raise ModuleNotFoundError(
                    f'No module named {name!r}', name=name
                )
        if name not in _WATCHED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None:
            self._wrap(spec.loader, name)
        return spec

    def _wrap(self, loader, module):
        execute = loader.exec_module

        def exec_module(loaded):
            execute(loaded)
            for name in _WATCHED[module]:
                function = getattr(loaded, name, None)
                if function is not None:
                    setattr(loaded, name, self._told(function, name))

        loader.exec_module = exec_module

    def _told(self, function, name):
        @functools.wraps(function)
        def called(*args, **kwargs):
            caller = sys._getframe(1).f_globals.get('__name__', '')
            if caller.split('.')[0] == 'eventlet':
                return function(*args, **kwargs)
            if name != 'monkey_patch':
                self._events.tell('use', name=name, stack=_stack())
                return function(*args, **kwargs)
            self._events.tell('patch', stack=_stack())
            try:
                return function(*args, **kwargs)
            finally:
                self._events.tell('patched', parts=patched_parts())

        return called


def _load(file, name):
    loader = importlib.machinery.SourceFileLoader(name, file)
    spec = importlib.util.spec_from_loader(name, loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _import(request):
    if request['script']:
        # Its name is not __main__, and so the script does not run.
        _load(request['script'], 'examined script')
    elif request['module']:
        found = importlib.import_module(request['module'])
        for name in (request['attribute'] or '').split('.'):
            if name:
                found = getattr(found, name)


def _tell_failure(events, error):
    stack = []
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        if not _machinery(frame.f_code.co_filename):
            stack.append(_entry(frame, traceback.tb_lineno))
        traceback = traceback.tb_next
    text = ' '.join(str(error).split())
    missing = isinstance(error, ModuleNotFoundError) and error.name
    events.tell(
        'failed',
        error=f'{type(error).__name__}: {text}'.removesuffix(': '),
        missing=missing or None,
        stack=stack,
    )


def _loaded():
    modules = {}
    for name, module in list(sys.modules.items()):
        spec = getattr(module, '__spec__', None)
        origin = getattr(spec, 'origin', None)
        if isinstance(origin, str) and origin.endswith('.py'):
            folders = getattr(spec, 'submodule_search_locations', None)
            modules[name] = [origin, list(folders or ())]
    return modules


def main(request):
    sandbox = _load(_SANDBOX, 'audit sandbox')
    sandbox.limit(request['memory'], request['seconds'])
    events = _Events(request['events'])
    sandbox.enter(
        request['folder'],
        lambda action: events.tell('denied', action=action, stack=_stack()),
    )
    events.tell('start')
    sys.meta_path.insert(0, _Watch(events, request['hide_eventlet']))
    sys.dont_write_bytecode = True
    sys.argv = [request['name']]
    try:
        import site

        site.main()
        sys.path.extend(request['path'])
        _import(request)
    except BaseException as error:  # even sys.exit() must not end the telling
        _tell_failure(events, error)
    import sysconfig  # not before site: it keeps the prefix that it finds

    events.tell(
        'end',
        parts=patched_parts(),
        modules=_loaded(),
        sys_path=sys.path,
        python='.'.join(map(str, sys.version_info[:3])),
        scripts=sysconfig.get_path('scripts'),
    )
    # At once: nothing that the target has left to be done at exit, and no
    # thread of its own, matters now.
    _exit(0)


if __name__ == '__main__':
    main(json.loads(sys.argv[1]))
