# SPDX-License-Identifier: GPL-2.0-only
"""
Text of others, quoted for where it goes: one list of hostile texts, given to every function and read by what reads the
result in the end: bash, Lua, Tcl, an HTML parser, Graphviz, a Markdown parser, CycloneDX.
"""
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_record import a_record

from lumi_hooks import quote
from lumi_hooks.cli.sbom import as_cyclonedx
from lumi_hooks.errors import LumiHooksError
from lumi_hooks.plan.graph import draw
from lumi_hooks.record import reproduce
from lumi_hooks.record import text as record_text
from lumi_hooks.survey.report import page
from tests.lmod_command import lmod_command, require_lmod

pytestmark = pytest.mark.security

HOSTILE = [
    '', ' ', '-n', '--help', '~', '*', '$(touch MARKER)', '`touch MARKER`', '; touch MARKER', '| touch MARKER',
    '&& touch MARKER', '> MARKER', "'; touch MARKER; '", '"; touch MARKER; "', '$HOME ${IFS} $((1))', '!x',
    'a\ntouch MARKER', 'a\r\ntouch MARKER', '\\', 'a\\', '\\\\', "\\'", '\\"', '\\n\\N\\G\\L\\l', '\\u005d', '#',
    '# x', 'END', '%s%n', ']', ']=', ']]', ']==]', ']==]==]', ']===]', ']==]=]==]', ']]==]]', '[[', '[==[', '--[[',
    ']==])os.execute("touch MARKER")--', ']]) os.execute("touch MARKER") help([[', '{', '}', '}{', '{}', '\\}',
    '\\{', '\\\\}', '} ; exec touch MARKER ; {', '[exec touch MARKER]', '$::env(HOME)', '}\n}\nexec touch MARKER\n',
    '<b>', '</title>', '<script>alert(1)</script>', '</script>', '" onload="alert(1)', "' onload='x", '<!--', '-->',
    ']]>', '&lt;', '&#60;', '<svg onload=x>', '< b >', '<TABLE><TR><TD>x</TD></TR></TABLE>',
    '[x](javascript:alert(1))', '![x](http://evil/x)', '[x]: http://evil', '[x][y]', '<http://evil>', '``` x', '`',
    '# x', '1. x', '> x', '***', '| a | b |', 'javascript:alert(1)', '//evil/x', '../../etc/passwd', '?x', 'a b',
    '\x00', 'a\x00b', '\x07', '\x08\x08', '\x1b[2J\x1b[H', '\x1b]0;title\x07', '\x9b2J', '\x7f', '\x1a', '\x0b\x0c',
    '\x85', '\u2028x', '\u2029x', '\u202eevil', '\u2066x\u2069', '\u200fx', '\ud800', 'x\udfff', '\t', 'äöü → 日本 🚀',
    'x' * 100000, ']' * 5000, '}' * 5000, '\\' * 5001, "'" * 5001, '<' * 5000]
TEXTS = pytest.mark.parametrize('text', HOSTILE, ids=lambda text: ascii(text[:30]))
ANYTHING = st.text(alphabet=st.one_of(st.sampled_from('[]={}\\"\'`$()<>&;\n\r\t#-'), st.characters()), max_size=40)
# what a terminal acts on, but tab and line feed
ACTIVE = re.compile('[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]')


@TEXTS
def test_S10_nothing_moves_the_cursor(text):
    shown = quote.terminal(text)
    assert not ACTIVE.search(shown) and isinstance(shown.encode(), bytes)
    assert shown.replace('\\', '').replace('\n', '').isprintable() or '\t' in shown
    one = quote.line(text)
    assert not ACTIVE.search(one) and len((one + '.').splitlines()) == 1 and '\t' not in one
    assert quote.terminal(shown) == shown and quote.line(one) == one


def test_S10_what_is_harmless_stays():
    for text in ('äöü → 日本 🚀', 'a\tb\nc', "it's [x] <y> {z} \\n"):
        assert quote.terminal(text) == text


@given(ANYTHING)
def test_S10_any_text(text):
    assert not ACTIVE.search(quote.terminal(text)) and not ACTIVE.search(quote.line(text))
    assert len((quote.line(text) + '.').splitlines()) == 1


# --- shells

def run(command, tmp_path, text, **options):
    """Run an interpreter on a script; whatever it is, nothing else was run by it."""
    path = tmp_path / 'script'
    path.write_text(text, encoding='utf-8', newline='')
    done = subprocess.run([*command, str(path)], cwd=tmp_path, capture_output=True, text=True, check=False, **options)
    assert not list(tmp_path.glob('MARKER*')), done
    return done


@TEXTS
def test_S12_a_word_of_a_shell(tmp_path, text):
    if '\0' in text:
        with pytest.raises(ValueError, match='NUL'):
            quote.shell(text)
        return
    if re.search('[\ud800-\udfff]', text):
        return  # it is no text, and is written to no file
    word = quote.shell(text)
    done = run(['bash'], tmp_path, f'printf %s {word} > copy\nx={word}; [ "$x" = {word} ]\n')
    assert done.returncode == 0 and (tmp_path / 'copy').read_bytes() == text.encode(), done


@TEXTS
def test_S12_a_comment(tmp_path, text):
    done = run(['bash'], tmp_path, f'# {quote.comment(text)}\necho after\n')
    assert done.stdout == 'after\n' and done.stderr == ''
    exec(compile(f'# {quote.comment(text)}\nx = 1\n', 'x', 'exec'), {})


@TEXTS
def test_S12_a_name_of_a_module(text):
    if re.fullmatch('[A-Za-z0-9_x./+~@-]+', text) and text[0] not in '-~/.' and '..' not in text:
        assert quote.module(text) == text
    else:
        with pytest.raises(ValueError, match='cannot be the name of a module') as told:
            quote.module(text)
        assert quote.line(told.value) == str(told.value)


@TEXTS
def test_S12_a_script_of_a_record(tmp_path, text):
    if re.search('[\x00\ud800-\udfff]', text):
        return  # a record's reader rejects it
    found = a_record(module=text)
    found['site'].update(release=text, toolchain=text, disabled=[text], derive=[text])
    found['library'].update(version=text, commit=text)
    found['easybuild'].update(version=text, settings={'optarch': text})
    found['recipe']['file'] = text
    stubs = 'module() { :; }; eb() { :; }; exec() { "$@"; }; export EASYBUILD_HOOKS=x\n'
    done = run(['bash'], tmp_path, stubs + reproduce.script(found), env={'PATH': '/usr/bin:/bin'})
    assert done.returncode == 0, done.stderr
    for name in ('partition', 'mode', 'stack'):
        other = a_record()
        other['site'][name] = f'{text}/'
        with pytest.raises(LumiHooksError, match='cannot be the name of a module') as told:
            reproduce.script(other)
        assert quote.line(told.value) == str(told.value)


# --- module files

LUA = 'help([{equals}[\n\nDescription\na thing\n\n]{equals}])\n\nwhatis([{equals}[Description: a thing]{equals}])\n'
TCL = '#%Module\nproc ModulesHelp { } {\n    puts stderr {\n\nDescription\n======\na thing\n}\n}\n\nmodule-whatis {x}\n'


def lua():
    """Lua's command: the system's, or the one that the stand-in's Lmod is run by."""
    lmod = lmod_command()
    if lmod:
        first = Path(os.path.realpath(lmod)).read_text(encoding='utf-8', errors='replace').partition('\n')[0]
        if first.startswith('#!') and os.path.exists(first[2:].split()[0]):
            return first[2:].split()
    found = shutil.which('lua') or shutil.which('lua5.3') or shutil.which('lua5.4')
    if not found:
        pytest.skip('there is no Lua')
    return [found]


@TEXTS
def test_S11_lua_reads_what_was_meant(tmp_path, text):
    """In brackets of each level, the last thing in them or not: what comes out is the text, but for spaces behind ]."""
    lines = []
    for level in ('', '=', '=='):
        lines += [f'io.write([{level}[x{quote.lua(text)}]{level}], "\\n@@\\n")',
                  f'io.write([{level}[x{quote.lua(text)}\n]{level}], "\\n@@\\n")']
    done = run(lua(), tmp_path, '\n'.join(lines) + '\n')
    assert done.returncode == 0, done.stderr
    meant = quote.lua(text)
    assert done.stdout == f'x{meant}\n@@\nx{meant}\n\n@@\n' * 3
    assert re.sub(r'\] ', ']', meant) == re.sub(r'\] ', ']', quote.terminal(text))


@TEXTS
@pytest.mark.parametrize('equals', ['', '=', '=='])
def test_S11_help_in_lua(tmp_path, text, equals):
    module = record_text.with_help(LUA.replace('{equals}', equals), text)
    told = ''.join(f'function {name}(text) io.write("{name}<", text, ">") end\n' for name in ('help', 'whatis'))
    done = run(lua(), tmp_path, told + module)
    assert done.returncode == 0, done.stderr
    shown = quote.lua(f'lumi-hooks\n==========\n{text}\n')
    assert done.stdout == f'help<\nDescription\na thing\n\n{shown}>whatis<Description: a thing>'


def test_S11_lmod_shows_the_help(tmp_path):
    """All of the texts at once, in one module file that the real Lmod reads."""
    folder = tmp_path / 'modules' / 'Thing'
    folder.mkdir(parents=True)
    text = '\n'.join(text[:200] for text in HOSTILE)
    (folder / '1.0.lua').write_text(record_text.with_help(LUA.replace('{equals}', '=='), text), encoding='utf-8',
                                    newline='')
    env = {'PATH': '/usr/bin:/bin', 'HOME': str(tmp_path), 'MODULEPATH': str(folder.parent), 'LC_ALL': 'C.UTF-8'}
    done = subprocess.run([require_lmod(), 'bash', 'help', 'Thing/1.0'], cwd=tmp_path, env=env, capture_output=True,
                          text=True, check=False)
    assert 'lumi-hooks\n==========' in done.stderr and '../../etc/passwd' in done.stderr, done
    assert not list(tmp_path.glob('MARKER*')) and not ACTIVE.search(done.stderr)
    loaded = subprocess.run([require_lmod(), 'bash', 'load', 'Thing/1.0'], cwd=tmp_path, env=env, capture_output=True,
                            text=True, check=False)
    assert 'LOADEDMODULES=Thing/1.0' in loaded.stdout.replace('"', ''), loaded
    assert not list(tmp_path.glob('MARKER*'))


def tclsh():
    """Tcl's command."""
    found = shutil.which('tclsh')
    if not found:
        pytest.skip('there is no tclsh')
    return [found]


@TEXTS
def test_S11_help_in_tcl(tmp_path, text):
    module = record_text.with_help(TCL, text)
    prologue = 'fconfigure stderr -encoding utf-8\nproc module-whatis {text} { puts "whatis<$text>" }\n'
    done = run(tclsh(), tmp_path, f'{prologue}{module}\nModulesHelp\nputs end\n')
    assert done.returncode == 0, done.stderr
    assert done.stdout == 'whatis<x>\nend\n' and 'lumi-hooks\n==========' in done.stderr


# --- pages and drawings

class Page(HTMLParser):
    """The elements, attributes and text of a page."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.text = [], [], ''
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


@TEXTS
def test_html_is_text(text):
    found = Page(f'<p title="{quote.html(text)}" lang=\'{quote.html(text)}\'>{quote.html(text)}</p>')
    meant = quote.terminal(text)
    assert found.tags == ['p'] and found.attributes == [('title', meant), ('lang', meant)] and found.text == meant


@TEXTS
def test_a_survey_has_no_elements_of_others(text):
    groups = {text: {'recipes': 2, 'planned': 1, 'refused': 1, 'failed': 0}}

    def made(word):
        return Page(page({
            'toolchain': word, 'release': word, 'partition': word, 'date': word, 'versions': {word: word}, 'seconds': 1,
            'goal': {'share': 0.5, 'recipes': 1, 'toolchains': [word]}, 'interrupted': False, 'recipes': 2, 'of': 2,
            'collection': {'name': word, 'recipes': 2},
            'planned': 1, 'unchanged': 0, 'refused': {word: 1}, 'reasons': {word: word},
            'failed': [{'recipe': word, 'error': word}], 'by_generation': {word: groups[text]},
            'by_toolchain': {word: groups[text]},
            'blockers': [{'code': word, 'what': word, 'example': word, 'recipes': 1, 'alone': 1}]},
            [{'recipe': word, 'code': word, 'reason': word}]))
    found, plain = made(text), made('plain')
    assert found.tags == plain.tags and quote.terminal(text) in found.text
    assert {name for name, _ in found.attributes} == {name for name, _ in plain.attributes}


class Node:
    """A node of a plan, with a text of others wherever one can be."""

    def __init__(self, text):
        self.module, self.status, self.reason = text, 'build', text
        self.dependencies, self.build_only = (), ()


class Drawn:
    """A plan of one node."""

    def __init__(self, text):
        self.nodes, self.targets = [Node(text)], ()
        self.site = type('Site', (), {'toolchain': 'cpeGNU', 'toolchain_version': '25.03'})


@pytest.mark.skipif(not shutil.which('dot'), reason='there is no Graphviz')
@TEXTS
def test_a_drawing_shows_what_was_meant(tmp_path, text):
    text = text[:300]
    path = tmp_path / 'plan.svg'
    if re.search('[\ud800-\udfff]', text):
        text = quote.terminal(text)
    draw(Drawn(text), str(path))
    root = ElementTree.parse(path).getroot()
    svg = '{http://www.w3.org/2000/svg}'
    node, = (element for element in root.iter(f'{svg}g')
             if element.findtext(f'{svg}title') == 'm' + text.encode().hex())
    shown = [element.text or '' for element in node.iter(f'{svg}text')]
    assert shown[-1] == 'build'

    def plain(lines):
        return re.sub(r'[\s\xa0]+', '', ''.join(lines))
    assert plain(shown[:-1]) == plain(quote.terminal(text))
    known = {'svg', 'g', 'title', 'polygon', 'path', 'text', 'a', 'ellipse'}
    assert {element.tag.rpartition('}')[2] for element in root.iter()} <= known
    assert not [element for element in root.iter() if any('onload' in name for name in element.attrib)]


@TEXTS
def test_raw_dot_is_one_string(text):
    """Quotes and backslashes end nothing, whoever writes the quotes around it."""
    inside = quote.dot(text)
    assert '"' not in inside and '<' not in inside and '>' not in inside
    assert all(len(run) % 2 == 0 for run in re.findall(r'\\+', inside))


@TEXTS
def test_markdown_is_text(text):
    markdown = pytest.importorskip('markdown_it')
    parser = markdown.MarkdownIt('commonmark')
    inside = quote.markdown(text)
    for written in (f'* {inside}\n', f'x {inside} y\n', f'(rule `{inside}`)\n'):
        kinds = set()
        for token in parser.parse(written + '\n[x] [y] after\n'):
            kinds.update(item.type for item in token.children or [token])
        assert not kinds & {'html_block', 'html_inline', 'link_open', 'image'}, written
        assert 'code_inline' not in kinds or written.startswith('(rule')


@TEXTS
def test_changes_have_no_markup_of_others(text):
    markdown = pytest.importorskip('markdown_it')
    if not text.strip() or re.search('[\x00\ud800-\udfff]', text):
        return  # a record's reader rejects it
    found = a_record(module=text, kept_out=[text], rules=[text], sources=[{'file': text, 'sha256': None}],
                     network={'cut_off': False, 'reason': text})
    found['source']['file'] = found['recipe']['file'] = found['easybuild']['easyblock'] = text
    found['dependencies'][0]['module'] = text
    found['site'].update(prefix=text, release=text)
    written = record_text.changes_markdown(found, [(text, text, text, text)])
    assert not ACTIVE.search(written)
    assert len(written.splitlines()) == len(record_text.changes_markdown(a_record(
        kept_out=['x'], rules=['x'], sources=[{'file': 'x', 'sha256': None}],
        network={'cut_off': False, 'reason': 'x'}), [('x', 'x', 'x', 'x')]).splitlines())
    kinds = {item.type for token in markdown.MarkdownIt('commonmark').parse(written)
             for item in token.children or [token]}
    assert not kinds & {'html_block', 'html_inline', 'link_open', 'image', 'fence'}


@TEXTS
def test_a_bill_of_materials_names_files_and_no_addresses(text):
    pytest.importorskip('cyclonedx')
    if not text.strip() or re.search('[\ud800-\udfff]', text):
        return  # a record's reader rejects it
    found = a_record(name=text, version=text, module=text, sources=[{'file': text, 'sha256': 'a' * 64}])
    found['dependencies'][0].update(name=text, module=text, version=text)
    made = json.loads(as_cyclonedx([found]))
    component = next(item for item in made['components'] if item['type'] == 'application')
    address = component['externalReferences'][0]['url']
    assert re.fullmatch(r"[A-Za-z0-9_.~+@%-]+", address) and address == quote.uri(text)
    assert component['name'] == quote.line(text)[:1024] and component['version'] == component['name']


@TEXTS
def test_a_header_of_a_recipe_ends_no_comment(text, adapted_header):
    header = adapted_header(text)
    assert all(line.startswith('#') or not line for line in re.split('[\n\r]', header)), header


@pytest.fixture
def adapted_header():
    """The header of a recipe whose changes have a text of others as their reason."""
    from lumi_hooks.change import Change
    from lumi_hooks.render import _header

    def make(text):
        recipe = type('Recipe', (), {'filename': text, 'sha256': text})
        adaptation = type('Adaptation', (), {'recipe': recipe, 'module': text, 'toolchain': ('cpeGNU', '25.03'),
                                             'changes': (Change('configopts', text, text, text, text),)})
        return _header(adaptation)
    return make
