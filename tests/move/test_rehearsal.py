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

"""The move of admin/leave-eventlet, there and back, under load."""

import re

import requests

#: So many answers each client gets in each phase.
ENOUGH = 8


def answered(server):
    """How many requests of clients the log of a server has."""
    return len(re.findall(r'"(?:GET|POST) /v2/', server.log_text()))


def assert_answers(asking, server, *others):
    """From now on it is this server that answers, and no other one."""
    asking.wait(4)  # each client has seen what has just changed
    before = [answered(other) for other in others], answered(server)
    asking.wait(ENOUGH)
    assert [answered(other) for other in others] == before[0]
    assert answered(server) > before[1]


def assert_links_name(site):
    """Links begin with the address of nginx, whatever a client claims."""
    told = {
        'X-Forwarded-Proto': 'http',
        'X-Forwarded-Host': 'evil.example',
        'X-Forwarded-Prefix': '/evil',
        'Forwarded': 'proto=http;host=evil.example',
    }
    for headers in (None, told):
        (resource,) = site.get('/v2/resources?limit=1', headers).json()
        for link in resource['links']:
            assert link['href'].startswith(f'{site.base_url}/v2/')


def test_there_and_back_again(asking, old, proxied, new, site):
    def go_behind_nginx():
        asking.verify, asking.url = site.certificate, site.base_url
        assert_answers(asking, proxied, old, new)
        assert_links_name(site)

    def go_back_from_nginx():
        asking.url = old.base_url
        assert_answers(asking, old, proxied)

    def switch_to_the_new_host():
        site.switch('new')
        assert_answers(asking, new, old, proxied)
        assert_links_name(site)

    def switch_back():
        site.switch('eventlet')
        assert_answers(asking, proxied, old, new)

    def retire():
        old.stop()
        proxied.stop()
        asking.wait(ENOUGH)

    def bring_back():
        proxied.start()
        old.start()
        asking.wait(ENOUGH)

    asking.wait(ENOUGH)

    # nginx before the old server.
    proxied.start()
    site.start()
    assert_answers(asking, old, proxied)
    go_behind_nginx()
    go_back_from_nginx()
    go_behind_nginx()

    # The new host beside it; and what nobody uses can go again.
    new.start()
    site.open_trial()
    tried = requests.get(
        f'http://{site.address}:{site.trial_port}/v2/capabilities', timeout=60
    )
    assert tried.status_code == 200
    assert_answers(asking, proxied, old, new)
    new.stop()
    asking.wait(ENOUGH)
    new.start()

    switch_to_the_new_host()
    switch_back()
    switch_to_the_new_host()

    retire()
    # All the way back.
    bring_back()
    switch_back()
    new.stop()
    go_back_from_nginx()
    site.stop()
    proxied.stop()
    asking.wait(ENOUGH)

    asking.stop()
    report = asking.report()
    assert report.is_good, str(report)
    assert report.answers >= 12 * 4 * ENOUGH
    assert 2 * report.stored >= report.answers
