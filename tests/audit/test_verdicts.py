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

"""Each verdict, and each way to it."""

import pytest
from audit import reading

from tests.audit.packages import places

ALL = ['os', 'select', 'socket', 'subprocess', 'thread', 'time']


def test_patches_on_import(packages):
    packages.module(
        'svc.cmd',
        """\
        import eventlet
        eventlet.monkey_patch()

        def main():
            pass
        """,
    )
    packages.script('svc', 'svc.cmd')
    result = packages.result('svc')
    assert result['verdict'] == 'patches on import'
    assert result['evidence'] == 'seen'
    assert result['finding']
    assert places(result['chain']) == ['svc/cmd.py:2']
    assert result['chain'][0]['text'] == 'eventlet.monkey_patch()'
    assert set(result['patched']) >= set(ALL) - {'subprocess'}


def test_the_chain_goes_through_every_import_and_call(packages):
    packages.module('svc.cmd.api', 'from svc import service\n')
    packages.module('svc.service', '\nimport helper.early\n')
    packages.module(
        'helper.early',
        """\
        def patch():
            from eventlet.patcher import monkey_patch as green
            green(os=False)

        patch()
        """,
    )
    result = packages.result('svc.cmd.api:service')
    assert result['verdict'] == 'patches on import'
    assert places(result['chain']) == [
        'svc/cmd/api.py:1',
        'svc/service.py:2',
        'helper/early.py:5',
        'helper/early.py:3',
    ]
    assert result['chain'][-1]['function'] == 'patch'
    assert 'socket' in result['patched']
    assert 'os' not in result['patched']


def test_a_package_that_patches_for_all_its_modules(packages):
    packages.module(
        'svc.cmd.__init__', 'import eventlet\neventlet.monkey_patch()\n'
    )
    packages.module('svc.cmd.tool', 'def main(): pass\n')
    packages.script('svc', 'svc.cmd.tool')
    assert places(packages.result('svc')['chain']) == ['svc/cmd/__init__.py:2']


def test_what_was_patched_before_a_failure_counts(packages):
    packages.module(
        'app',
        """\
        import eventlet
        eventlet.monkey_patch()
        raise RuntimeError('no configuration')
        """,
    )
    result = packages.result('app:application')
    assert result['verdict'] == 'patches on import'
    assert result['error'] == 'RuntimeError: no configuration'


def test_what_was_patched_before_a_hang_counts(packages):
    packages.module(
        'app',
        """\
        import eventlet, select
        waiting = select.poll()
        eventlet.monkey_patch()
        waiting.poll()
        """,
    )
    result = packages.result('--seconds', '2', 'app:application')
    assert result['verdict'] == 'patches on import'
    assert places(result['chain']) == ['app.py:3']
    assert result['error'] == 'the import took more than 2 s'


RUN = {
    'in main': """\
        import eventlet

        def main():
            eventlet.monkey_patch()
        """,
    'in a function that main calls': """\
        def _prepare():
            import eventlet
            eventlet.monkey_patch()

        def main():
            _prepare()
        """,
    'in a method of a class that main uses': """\
        class Launcher:
            def launch(self):
                self._prepare()

            def _prepare(self):
                from eventlet import patcher
                patcher.monkey_patch()

        def main():
            launcher = Launcher()
            launcher.launch()
        """,
    'in a base class': """\
        class Base:
            def launch(self):
                import eventlet
                eventlet.monkey_patch()

        class Launcher(Base):
            pass

        def main():
            Launcher().launch()
        """,
    'in a function of a table': """\
        def serve():
            import eventlet
            eventlet.monkey_patch()

        COMMANDS = {'serve': serve}

        def main():
            COMMANDS['serve']()
        """,
    'handed on as it is': """\
        import eventlet

        def main(run=lambda function: function()):
            run(eventlet.monkey_patch)
        """,
    'by another name': """\
        import eventlet
        monkey_patch = eventlet.patcher.monkey_patch

        def main():
            monkey_patch()
        """,
    'by the name of the module': """\
        import importlib

        def main():
            importlib.import_module('eventlet').monkey_patch()
        """,
    'by a name for the module': """\
        import importlib

        def main():
            green = importlib.import_module('eventlet')
            green.monkey_patch()
        """,
    'in a function in a function': """\
        def main():
            def now():
                import eventlet
                eventlet.monkey_patch()
            now()
        """,
}


@pytest.mark.parametrize('text', RUN.values(), ids=RUN.keys())
def test_patches_when_run(packages, text):
    path = packages.module('svc.cmd', text)
    packages.script('svc', 'svc.cmd')
    result = packages.result('svc')
    assert result['verdict'] == 'patches when run'
    assert result['evidence'] == 'read'
    assert result['finding']
    assert not result['patched']
    last = result['chain'][-1]
    assert 'monkey_patch' in last['text']
    line = path.read_text().splitlines()[last['line'] - 1]
    assert line.strip() == last['text']


def test_patches_when_run_through_other_modules(packages):
    packages.module(
        'svc.cmd',
        """\
        from svc import service

        def main():
            service.launch('svc.driver.Driver')
        """,
    )
    packages.module(
        'svc.service',
        """\
        def launch(driver):
            from helper import wsgi
            wsgi.run()
        """,
    )
    packages.module('helper.wsgi', 'from helper.server import run\n')
    packages.module(
        'helper.server',
        """\
        def run():
            from helper import green
        """,
    )
    packages.module(
        'helper.green', 'import eventlet\n\neventlet.monkey_patch()\n'
    )
    packages.script('svc', 'svc.cmd')
    result = packages.result('svc')
    assert result['verdict'] == 'patches when run'
    assert places(result['chain']) == [
        'svc/cmd.py:4',
        'svc/service.py:3',
        'helper/server.py:2',
        'helper/green.py:3',
    ]


def test_a_class_named_in_a_text(packages):
    packages.module(
        'svc.cmd',
        """\
        MANAGERS = {'one': 'svc.manager.Manager'}

        def main(load=print):
            load(MANAGERS['one'])
        """,
    )
    packages.module(
        'svc.manager',
        """\
        class Manager:
            def start(self):
                import eventlet
                eventlet.monkey_patch()
        """,
    )
    packages.script('svc', 'svc.cmd')
    result = packages.result('svc')
    assert result['verdict'] == 'patches when run'
    assert places(result['chain'])[-1] == 'svc/manager.py:4'


def test_only_the_entry_point_that_patches_is_told(packages):
    packages.module(
        'svc.cmd',
        """\
        def api():
            import eventlet
            eventlet.monkey_patch()

        def status():
            pass
        """,
    )
    packages.distribution(
        'svc',
        {
            'console_scripts': {
                'svc-api': 'svc.cmd:api',
                'svc-status': 'svc.cmd:status',
            }
        },
    )
    verdicts = {
        result['name']: result['verdict']
        for result in packages.report('svc')['results']
    }
    assert verdicts == {
        'svc-api': 'patches when run',
        'svc-status': 'never touches it',
    }


def test_imports_without_patching(packages):
    packages.module('svc.cmd', 'import svc.pool\ndef main(): pass\n')
    packages.module('svc.pool', '"""A pool."""\nimport eventlet\n')
    packages.script('svc', 'svc.cmd')
    report = packages.report('svc')
    (result,) = report['results']
    assert result['verdict'] == 'imports eventlet without patching'
    assert places(result['chain']) == ['svc/cmd.py:1', 'svc/pool.py:2']
    assert not result['optional']
    assert not result['finding']
    assert report['status'] == 0


PROBES = {
    'an except clause': """\
        try:
            import eventlet
        except ImportError:
            eventlet = None
        """,
    'a call that tries': """\
        import helper
        eventlet = helper.try_import('eventlet')
        """,
    'a question whether it is there': """\
        import sys
        import helper
        helper.try_import('eventlet')
        if 'eventlet' in sys.modules:
            import eventlet.patcher
        """,
}


@pytest.mark.parametrize('installed', [True, False])
@pytest.mark.parametrize('text', PROBES.values(), ids=PROBES.keys())
def test_a_library_that_only_tries_eventlet(packages, text, installed):
    packages.module('svc.cmd', 'import lib\ndef main(): pass\n')
    packages.module('lib', text)
    packages.module(
        'helper',
        """\
        def try_import(name):
            try:
                return __import__(name)
            except ImportError:
                return None
        """,
    )
    packages.script('svc', 'svc.cmd')
    result = packages.result('svc', eventlet=installed)
    assert result['verdict'] == 'imports eventlet without patching'
    assert result['optional']
    assert 'lib.py' in [step['file'] for step in result['chain']]


def test_the_line_that_needs_eventlet_comes_before_one_that_tries(packages):
    packages.module(
        'svc.cmd', 'import lib\nimport svc.pool\ndef main(): pass\n'
    )
    packages.module(
        'lib', 'try:\n    import eventlet\nexcept ImportError:\n    pass\n'
    )
    packages.module('svc.pool', 'from eventlet import greenpool\n')
    packages.script('svc', 'svc.cmd')
    result = packages.result('svc')
    assert not result['optional']
    assert places(result['chain']) == ['svc/cmd.py:2', 'svc/pool.py:1']


def test_an_except_clause_that_raises_again_does_not_do_without(packages):
    packages.module(
        'app',
        """\
        try:
            import eventlet
        except ImportError:
            raise ValueError('no backend')
        """,
    )
    assert not packages.result('app:eventlet')['optional']


USED_LATER = {
    'import': 'import eventlet.wsgi',
    'executor': "serve(executor='eventlet')",
    'backend': 'backend.init_backend(backend.BackendType.EVENTLET)',
}


@pytest.mark.parametrize('line', USED_LATER.values(), ids=USED_LATER.keys())
def test_imports_when_run(packages, line):
    packages.module(
        'svc.cmd', f'import backend\n\ndef main(serve=print):\n    {line}\n'
    )
    packages.module('backend', '')
    packages.script('svc', 'svc.cmd')
    result = packages.result('svc')
    assert result['verdict'] == 'imports eventlet without patching'
    assert result['evidence'] == 'read'
    assert places(result['chain']) == ['svc/cmd.py:4']


NEVER = {
    'nothing': 'def main(): pass\n',
    'a driver of that name': """\
        from svc import utils

        @utils.monkey_patch
        def main():
            utils.monkey_patch(main)
        """,
    'for the type checker': """\
        import typing
        if typing.TYPE_CHECKING:
            import eventlet

        def main(): pass
        """,
    'when the module is a program': """\
        def main(): pass

        if __name__ == '__main__':
            import eventlet
            eventlet.monkey_patch()
        """,
    'in a function that nobody calls': """\
        def other():
            import eventlet
            eventlet.monkey_patch()

        def main(): pass
        """,
    'a table that nobody reads': """\
        def other():
            import eventlet
            eventlet.monkey_patch()

        COMMANDS = {'other': other}

        def main(): pass
        """,
    'only if it has patched': """\
        import svc.monkey_patch

        def _threads():
            return not svc.monkey_patch.is_patched()

        def main():
            if _threads():
                return
            import eventlet
        """,
    'in a text': 'TEXT = "eventlet.monkey_patch()"\ndef main(): pass\n',
}


@pytest.mark.parametrize('text', NEVER.values(), ids=NEVER.keys())
def test_never_touches_it(packages, text):
    packages.module('svc.cmd', text)
    packages.module('svc.utils', 'def monkey_patch(thing): return thing\n')
    packages.module('svc.monkey_patch', 'def is_patched(): return False\n')
    packages.script('svc', 'svc.cmd')
    report = packages.report('svc')
    (result,) = report['results']
    assert result['verdict'] == 'never touches it'
    assert result['chain'] == result['passed_by'] == []
    assert report['status'] == 0


SWITCHES = {
    'around the call': """\
        import os
        import eventlet
        if os.environ.get('SVC_PATCH', 'yes') == 'yes':
            eventlet.monkey_patch()
        """,
    'before the call': """\
        import os
        import eventlet

        def patch():
            if os.getenv('SVC_PATCH') == 'no':
                return
            eventlet.monkey_patch()

        patch()
        """,
    'in a function and a variable': """\
        import os
        import eventlet

        def _asked():
            return os.environ.get('SVC_PATCH', 'yes')

        if _asked() == 'no':
            wanted = False
        else:
            wanted = True

        def patch():
            if wanted:
                eventlet.monkey_patch()

        patch()
        """,
}


@pytest.mark.parametrize('text', SWITCHES.values(), ids=SWITCHES.keys())
def test_a_variable_that_switches_is_told_either_way(packages, text):
    packages.module('svc.early', text)
    packages.module('svc.cmd', 'import svc.early\ndef main(): pass\n')
    packages.script('svc', 'svc.cmd')

    result = packages.result('svc')
    assert result['verdict'] == 'patches on import'
    assert result['switches'] == ['SVC_PATCH']

    result = packages.result('--env', 'SVC_PATCH=no', 'svc')
    assert result['verdict'] == 'imports eventlet without patching'
    (passed,) = result['passed_by']
    assert 'monkey_patch' in passed['chain'][-1]['text']
    assert passed['switches'] == ['SVC_PATCH']


def test_patched_is_what_is_patched_not_what_was_called(packages):
    packages.module(
        'app',
        """\
        import eventlet
        eventlet.monkey_patch(time=True)
        application = None
        """,
    )
    assert packages.result('app:application')['patched'] == ['time']


def test_a_stub_dependency_that_patches(packages):
    packages.module('svc.cmd', 'import stub.inner\ndef main(): pass\n')
    packages.module('stub.__init__', 'from stub import inner\n')
    packages.module(
        'stub.inner', 'import eventlet as e\ne.monkey_patch(socket=True)\n'
    )
    packages.script('svc', 'svc.cmd')
    result = packages.result('svc')
    assert result['verdict'] == 'patches on import'
    assert places(result['chain']) == [
        'svc/cmd.py:1',
        'stub/__init__.py:1',
        'stub/inner.py:2',
    ]


def test_another_name_for_it_that_nobody_uses(packages):
    packages.module(
        'svc.green', 'import eventlet\nmonkey_patch = eventlet.monkey_patch\n'
    )
    packages.module('svc.cmd', 'from svc import green\ndef main(): pass\n')
    packages.script('svc', 'svc.cmd')
    result = packages.result('svc')
    assert result['verdict'] == 'imports eventlet without patching'


def test_patched_copies_and_the_hub_are_told_but_no_finding(packages):
    packages.module(
        'app',
        """\
        import eventlet
        green = eventlet.import_patched('http.client')
        eventlet.hubs.use_hub('selects')
        """,
    )
    result = packages.result('app:green')
    assert result['verdict'] == 'imports eventlet without patching'
    assert not result['patched']
    assert [
        (use['name'], *places([use['place']])) for use in result['uses']
    ] == [('import_patched', 'app.py:2'), ('use_hub', 'app.py:3')]


def test_to_be_optional_it_must_be_optional_for_all(packages):
    packages.module(
        'app',
        """\
        try:
            import lib
        except ImportError:
            pass
        import service
        """,
    )
    packages.module('service', 'import lib\n')
    packages.module('lib', 'import eventlet\n')
    result = packages.result('app:service')
    assert not result['optional']
    assert places(result['chain']) == ['app.py:5', 'service.py:1', 'lib.py:1']


def test_modules_that_import_from_each_other_have_an_end(packages):
    packages.module('svc.cmd', 'from svc.other import main\n')
    packages.module(
        'svc.other', 'def main(): 0\nfrom svc.cmd import main, gone\n'
    )
    packages.script('svc', 'svc.cmd')
    assert packages.result('svc')['verdict'] == 'could not be imported'


def test_relative_imports_of_a_package_are_followed(packages):
    packages.module(
        'svc.cmd.__init__',
        """\
        def main():
            from . import late
            from .. import later
            later.start()
        """,
    )
    packages.module('svc.cmd.late', 'x = 1\n')
    packages.module(
        'svc.later',
        """\
        import os

        def start():
            if os.getenv('SVC_PATCH'):
                import eventlet
                eventlet.monkey_patch()
        """,
    )
    packages.script('svc', 'svc.cmd')
    result = packages.result('svc')
    assert places(result['chain']) == [
        'svc/cmd/__init__.py:4',
        'svc/later.py:6',
    ]
    assert result['switches'] == ['SVC_PATCH']


def test_a_reading_has_a_bound(packages, monkeypatch):
    monkeypatch.setattr(reading, 'MOST_FILES', 2)
    packages.module('svc.cmd', 'def main():\n    from svc import a\n')
    packages.module('svc.a', 'from svc import b\n')
    packages.module('svc.b', 'import eventlet\neventlet.monkey_patch()\n')
    packages.script('svc', 'svc.cmd')
    assert packages.result('svc')['cut']
    assert 'not all of the source was read' in packages.audit('svc')[1]


class TestWithoutEventlet:
    """The target needs eventlet, and it is not installed."""

    def test_patches_on_import_is_read(self, packages):
        packages.module('svc.cmd', 'from svc import early\ndef main(): 0\n')
        packages.module(
            'svc.early', 'import eventlet\neventlet.monkey_patch()\n'
        )
        packages.script('svc', 'svc.cmd')
        result = packages.result('svc', eventlet=False)
        assert result['verdict'] == 'patches on import'
        assert result['evidence'] == 'read'
        assert places(result['chain']) == ['svc/cmd.py:1', 'svc/early.py:2']
        assert "No module named 'eventlet'" in result['error']

    def test_so_it_is_through_a_helper_that_is_there(self, packages):
        packages.module('svc.cmd', 'import early\nearly.patch()\n')
        packages.module(
            'early',
            """\
            def patch():
                import eventlet
                eventlet.monkey_patch()
            """,
        )
        packages.script('svc', 'svc.cmd')
        result = packages.result('svc', eventlet=False)
        assert result['verdict'] == 'patches on import'
        assert places(result['chain']) == ['svc/cmd.py:2', 'early.py:3']

    def test_patches_when_run(self, packages):
        packages.module(
            'svc.cmd',
            """\
            def main():
                import eventlet
                eventlet.monkey_patch()
            """,
        )
        packages.script('svc', 'svc.cmd')
        result = packages.result('svc', eventlet=False)
        assert result['verdict'] == 'patches when run'

    def test_needs_it_without_patching(self, packages):
        packages.module('app', 'import eventlet\napplication = None\n')
        report = packages.report('app:application', eventlet=False)
        (result,) = report['results']
        assert result['verdict'] == 'could not be imported'
        assert "No module named 'eventlet'" in result['error']
        assert places(result['chain']) == ['app.py:1']
        assert report['status'] == 3
        assert 'eventlet' not in report['distributions']


FAILURES = {
    'import no_such_module': "No module named 'no_such_module'",
    '1 / 0': 'ZeroDivisionError: division by zero',
    'import sys; sys.exit("not like this")': 'SystemExit: not like this',
    'import os; os._exit(5)': 'the import ended the process with 5',
    'import os; os.abort()': 'the import ended the process by SIGABRT',
    'while True: pass': 'the import took more than 1 s',
    'import time; time.sleep(60)': 'the import took more than 1 s',
    'x = bytearray(10**12)': 'MemoryError',
    'other = 1': "has no attribute 'application'",
    'def (:': 'SyntaxError',
}


@pytest.mark.parametrize('text', FAILURES)
def test_could_not_be_imported(packages, text):
    packages.module('app', text)
    report = packages.report('--seconds', '1', 'app:application')
    (result,) = report['results']
    assert result['verdict'] == 'could not be imported'
    assert FAILURES[text] in result['error']
    assert report['status'] == 3
