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

"""The built site, as a reader meets it: in Chromium, from a local server.

It reads doc/build/html, which ``tox -e docs`` builds.
"""

import dataclasses
import functools
import html.parser
import http.server
import pathlib
import shutil
import threading
import urllib.parse

import axe_playwright_python
import guide
import pytest
import troubleshooting
from playwright import sync_api

ROOT = guide.CHECKOUT / 'doc/build/html'
DESKTOP = {'width': 1400, 'height': 900}
PHONE = {'width': 390, 'height': 800}
#: What axe calls the rules of WCAG 2.0 to 2.2, levels A and AA.
RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
AXE = pathlib.Path(axe_playwright_python.__file__).parent / 'axe.min.js'
NO_BROWSER = """No Chromium. As root on Debian: apt-get install chromium
Elsewhere, from this environment: playwright install --with-deps chromium
{}"""


@pytest.fixture(scope='module')
def pages():
    """The addresses of all pages, relative to the top."""
    if not (ROOT / 'index.html').is_file():
        pytest.fail(f'{ROOT} has no site: run "tox -e docs" first')
    return sorted(
        str(path.relative_to(ROOT))
        for path in ROOT.rglob('*.html')
        if '_static' not in path.parts
    )


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope='module')
def url(pages):
    """Where the site is served, with a slash at the end."""
    handler = functools.partial(Quiet, directory=ROOT)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f'http://127.0.0.1:{server.server_port}/'
        server.shutdown()
        thread.join()


@pytest.fixture(scope='module')
def browser():
    names = ('chromium', 'chromium-browser', 'google-chrome')
    found = next(filter(None, map(shutil.which, names)), None)
    with sync_api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=found,
                args=[
                    '--no-sandbox',
                    '--disable-gpu',
                    '--disable-background-networking',
                ],
            )
        except sync_api.Error as error:
            pytest.fail(NO_BROWSER.format(error))
        yield browser
        browser.close()


@pytest.fixture
def page(browser, url):
    """A browser's page at a desk."""
    with browser.new_context(base_url=url, viewport=DESKTOP) as context:
        context.grant_permissions(['clipboard-read', 'clipboard-write'])
        yield context.new_page()


@pytest.fixture
def phone(browser, url):
    """A browser's page on a phone."""
    with browser.new_context(base_url=url, viewport=PHONE) as context:
        yield context.new_page()


def watch(page):
    """Give two lists, which fill while a page of the browser is used: what is
    asked for, and what there is to complain of."""
    asked, complaints = [], []
    page.on('request', lambda request: asked.append(request.url))
    page.on('console', lambda message: complaints.append(message.text))
    page.on('pageerror', lambda error: complaints.append(str(error)))
    page.on(
        'response',
        lambda answer: (
            answer.ok
            or answer.status == 304
            or complaints.append(f'{answer.status} {answer.url}')
        ),
    )
    return asked, complaints


def strange(asked, url):
    """What was asked for elsewhere than at the site."""
    return {where for where in asked if not where.startswith((url, 'data:'))}


@dataclasses.dataclass
class Visit:
    """What was seen on all pages."""

    #: What the pages asked for.
    asked: list
    #: What there was to complain of.
    complaints: list
    #: The faults that axe found.
    faults: list
    #: The pages that a phone scrolls sideways.
    wide: list


@pytest.fixture(scope='module')
def visit(browser, url, pages):
    """One visit to all pages, since loading them takes a while."""
    with browser.new_context(base_url=url) as context:
        page = context.new_page()
        seen = Visit(*watch(page), [], [])
        for name in pages:
            page.set_viewport_size(DESKTOP)
            page.goto(name)
            seen.faults += faults(page)
            page.set_viewport_size(PHONE)
            if is_too_wide(page):
                seen.wide.append(name)
            page.wait_for_load_state('networkidle')
    return seen


@pytest.mark.timeout(900)
def test_no_page_asks_another_machine_or_complains(visit, pages, url):
    assert len(visit.asked) > len(pages)
    assert strange(visit.asked, url) == set()
    assert visit.complaints == []


def test_the_watch_for_other_machines_can_fail(page, url):
    asked, _ = watch(page)
    page.route('http://example.org/**', lambda route: route.abort())
    page.goto('index.html')
    with page.expect_request('http://example.org/x.png'):
        page.evaluate("new Image().src = 'http://example.org/x.png'")
    assert strange(asked, url) == {'http://example.org/x.png'}


@pytest.mark.parametrize(
    'fault, complaint',
    [
        ("console.error('said so')", 'said so'),
        ("setTimeout(() => { throw Error('thrown') })", 'thrown'),
        ("new Image().src = 'no/such.png'", '404 '),
    ],
)
def test_the_watch_for_complaints_can_fail(page, fault, complaint):
    _, complaints = watch(page)
    page.goto('index.html')
    assert complaints == []
    page.evaluate(fault)
    for _ in range(600):
        if complaints:
            break
        page.wait_for_timeout(100)
    assert complaint in complaints[0]


class Links(html.parser.HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.links = set()
        self.anchors = {''}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs[name] for name in ('id',) if name in attrs}
        for name in ('href', 'src', 'data', 'action'):
            if attrs.get(name):
                self.links.add(attrs[name])


def broken_links(root, pages):
    """Return the links inside the site that lead nowhere."""
    read = {
        root / name: Links((root / name).read_text('utf-8')) for name in pages
    }
    broken = []
    for source, parsed in read.items():
        for link in sorted(parsed.links):
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            path = urllib.parse.unquote(parts.path)
            target = (source.parent / path).resolve() if path else source
            if not target.is_file():
                broken.append(f'{source.relative_to(root)}: {link}')
            elif target in read:
                anchor = urllib.parse.unquote(parts.fragment)
                if anchor not in read[target].anchors:
                    broken.append(f'{source.relative_to(root)}: {link}')
    return broken


def test_every_link_inside_the_site_leads_somewhere(pages):
    assert broken_links(ROOT, pages) == []


def test_links_that_lead_nowhere_are_found(tmp_path):
    (tmp_path / 'a.html').write_text(
        '<p id=here><a href="#here">1</a><a href="b.html">2</a>'
        '<a href="#there">3</a><a href="a.html#gone">4</a>'
        '<a href="https://example.org/">5</a><img src="c.png">'
    )
    assert broken_links(tmp_path, ['a.html']) == [
        'a.html: #there',
        'a.html: a.html#gone',
        'a.html: b.html',
        'a.html: c.png',
    ]


def test_search_finds_statistics(page):
    page.goto('index.html')
    page.get_by_role('searchbox').first.fill('statistics')
    page.get_by_role('searchbox').first.press('Enter')
    result = page.locator('#search-results li a').first
    result.wait_for()
    found = result.inner_text()
    result.click()
    page.wait_for_load_state()
    assert page.get_by_role('heading', level=1).first.is_visible()
    assert page.title().startswith(found)
    assert 'statistics' in page.locator('main').inner_text().lower()


@pytest.mark.parametrize('place', troubleshooting.PLACES)
def test_search_finds_the_texts_of_problems(page, place):
    for problem in troubleshooting.find(place).values():
        line, *_ = problem.symptom.replace('...', ' ').splitlines()
        page.goto(f'search.html?{urllib.parse.urlencode({"q": line})}')
        link = f'#search-results a[href*="troubleshooting/{place}.html"]'
        page.locator(link).first.wait_for()


def first_found(page, query):
    """Where the first result of a search leads."""
    page.goto(f'search.html?{urllib.parse.urlencode({"q": query})}')
    first = page.locator('#search-results li a').first
    first.wait_for()
    return first.get_attribute('href')


@pytest.mark.parametrize(
    'query, place',
    [
        ('Blocking detector ALARMED at', 'database.html#trouble-blocking'),
        ('QueuePool limit of size', 'database.html#trouble-pool-exhausted'),
        ('no python application found', 'uwsgi.html#trouble-nothing-to-run'),
        ('worker timeout', 'gunicorn.html#trouble-worker-timeout'),
        ('harakiri', 'troubleshooting/uwsgi.html#trouble-harakiri'),
        ('need-app', 'directives/uwsgi.html#uwsgi-ini-need-app'),
    ],
)
def test_search_finds_the_place_first(page, query, place):
    assert place in first_found(page, query)


def copy(page, block):
    """Press the copy button of a block, and return what was copied."""
    page.evaluate("navigator.clipboard.writeText('nothing was copied')")
    button = block.get_by_role('button')
    assert button.count() == 1
    button.click()
    page.wait_for_function("document.querySelector('.copybtn.success')")
    return page.evaluate('navigator.clipboard.readText()')


def test_a_session_is_copied_without_prompts_and_output(page):
    page.goto('contributor/write-a-page.html')
    block = page.locator('.highlight-console').first
    assert '2 greeting.txt' in block.inner_text()
    assert copy(page, block) == (
        'mkdir trial\n'
        'cat > trial/greeting.txt <<EOF\n'
        'Good day\n'
        'to you\n'
        'EOF\n'
        'cd trial\n'
        'wc -l greeting.txt\n'
        'date --iso-8601=seconds'
    )


def test_a_command_over_several_lines_is_copied_whole(page):
    page.goto('contributor/write-a-page.html')
    block = page.locator('.highlight-console', has_text='curl -s -H').first
    copied = copy(page, block)
    assert copied.startswith(
        "cd\ncurl -s -H 'Content-Type: application/json' \\"
    )
    assert '    http://127.0.0.1:8777/v2/meters/cpu_util\n' in copied
    assert copied.endswith('python3 -m json.tool')


def test_a_file_is_copied_as_it_is(page):
    page.goto('contributor/testing.html')
    block = page.locator('.highlight-ini').first
    text = (guide.CHECKOUT / 'tox.ini').read_text()
    start, end = text.index('[testenv:tests]'), text.index('[testenv:linters]')
    assert copy(page, block) == text[start:end].rstrip('\n')


def is_too_wide(phone):
    width = phone.evaluate('document.documentElement.scrollWidth')
    return width > PHONE['width']


@pytest.mark.timeout(900)
def test_a_phone_shows_every_page_without_scrolling_sideways(visit, phone):
    assert visit.wide == []
    phone.goto('contributor/testing.html')
    assert not is_too_wide(phone)
    phone.evaluate("document.querySelector('main').style.width = '500px'")
    assert is_too_wide(phone)


def test_the_menu_of_a_phone_opens_and_closes(phone):
    phone.goto('contributor/testing.html')
    contents = phone.get_by_role('navigation', name='Contents of the guide')
    button = phone.get_by_role('button', name='Contents')
    assert not contents.is_visible()
    button.click()
    assert contents.is_visible()
    button.click()
    assert not contents.is_visible()


def test_the_keyboard_skips_to_the_content(page):
    page.goto('contributor/testing.html')
    page.keyboard.press('Tab')
    page.keyboard.press('Enter')
    assert page.url.endswith('#content')


# Code and tables have thousands of parts in a few colours, and axe takes long
# for each.
ALIKE_ONCE = """() => {
    const ground = part => {
        const colour = getComputedStyle(part).backgroundColor;
        return colour === 'rgba(0, 0, 0, 0)' && part.parentElement
            ? ground(part.parentElement)
            : colour;
    };
    const seen = new Set();
    for (const part of document.querySelectorAll('span, p, em, strong')) {
        const plain = [...part.attributes].every(one => one.name === 'class');
        if (!plain || part.children.length) {
            continue;
        }
        const {color, fontSize, fontWeight} = getComputedStyle(part);
        const look = [color, ground(part), fontSize, fontWeight].join();
        part.toggleAttribute('data-alike', seen.has(look));
        seen.add(look);
    }
}"""


def faults(page):
    """Return what axe finds against levels A and AA, as readable lines."""
    page.add_script_tag(path=AXE)
    page.evaluate(ALIKE_ONCE)
    found = page.evaluate(
        "rules => axe.run({exclude: '[data-alike]'}, "
        "{runOnly: rules, resultTypes: ['violations']})"
        '.then(all => all.violations)',
        RULES,
    )
    return [
        f'{page.url}: {fault["id"]}: {node["html"]}'
        for fault in found
        for node in fault['nodes']
    ]


@pytest.mark.timeout(900)
def test_axe_finds_no_fault_of_level_a_or_aa(visit):
    assert visit.faults == []


def test_axe_finds_no_fault_on_a_phone(phone):
    for name in ('index.html', 'contributor/write-a-page.html'):
        phone.goto(name, wait_until='networkidle')
        phone.get_by_role('button', name='Contents').click()
        assert faults(phone) == []


def test_axe_finds_a_planted_fault(page):
    page.goto('index.html')
    page.evaluate(
        "document.querySelector('main').insertAdjacentHTML("
        "'beforeend', '<p style=\"color: #aaa\">Pale <span>one</span> "
        "<span>two</span></p><img src=x>')"
    )
    assert sorted(line.split(': ')[1] for line in faults(page)) == [
        'color-contrast',
        'color-contrast',
        'image-alt',
    ]


def test_no_other_brand_is_on_a_page(pages):
    for name in pages:
        parsed = Links((ROOT / name).read_text('utf-8'))
        strange = [link for link in parsed.links if 'launchpad' in link]
        assert strange == [], name
        assert not any('logo' in link for link in parsed.links), name
