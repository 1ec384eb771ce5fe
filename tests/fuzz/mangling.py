# SPDX-License-Identifier: GPL-2.0-only
"""Mangles texts and data: what is damaged, cut off, exchanged, or meant to do harm."""
import copy
import json

from hypothesis import strategies as st

# what harms where it gets into a shell, a path, a template or a piece of Python
HARM = ['$(touch {mark})', '`touch {mark}`', '; touch {mark} #', "'); __import__('os').system('touch {mark}') #",
        "'''\nimport os; os.system('touch {mark}')\n'''", '%(name)s' * 9, '%(x)s', '%s %d %%', '../' * 6 + 'etc/x',
        '/etc/passwd', '\x00', '\n', '\\', '"', "'", '\udcff', '\u2028', '\r\n', '{0.__class__}', '', ' ', 'a' * 3000,
        '-' * 300 + 'x', 'NaN', '1e999', '[' * 40, '{' * 40, 'é€𝄞', 'local_x = 1', '../../up.patch', '~/x', '$HOME']
PARAMETERS = ['dependencies', 'builddependencies', 'toolchain', 'versionsuffix', 'version', 'name', 'configopts',
              'patches', 'sources', 'checksums', 'toolchainopts', 'easyblock', 'exts_list', 'components',
              'sanity_check_paths', 'local_lumi_hooks', 'group']
STRANGE = st.none() | st.booleans() | st.integers() | st.floats() | st.lists(st.none(), max_size=2) \
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2) | st.sampled_from(HARM) | st.text(max_size=6)


@st.composite
def mangled_data(draw, samples):
    """A sample of JSON data with some of its values, keys or entries damaged."""
    found = copy.deepcopy(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 4))):
        places = []
        _walk(found, places)
        if not places:
            return draw(STRANGE)
        node = draw(st.sampled_from(places))
        keys = sorted(node) if isinstance(node, dict) else list(range(len(node)))
        key = draw(st.sampled_from(keys))
        how = draw(st.sampled_from(['replace', 'remove', 'add', 'swap', 'rename']))
        if how == 'replace':
            node[key] = draw(STRANGE)
        elif how == 'remove':
            del node[key]
        elif how == 'add' and isinstance(node, dict):
            node[draw(st.sampled_from(HARM) | st.text(max_size=8))] = draw(STRANGE)
        elif how == 'add':
            node.append(draw(STRANGE))
        elif how == 'rename' and isinstance(node, dict):
            node[draw(st.sampled_from(HARM))] = node.pop(key)
        else:
            other = draw(st.sampled_from(keys))
            node[key], node[other] = node[other], node[key]
    return found


def _walk(node, places):
    if isinstance(node, (dict, list)) and node:
        places.append(node)
        for item in node.values() if isinstance(node, dict) else node:
            _walk(item, places)


@st.composite
def mangled_json(draw, samples):
    """The text of a mangled sample; now and then the text itself is damaged, too."""
    text = json.dumps(draw(mangled_data(samples)))
    return draw(mangled_text([text])) if draw(st.integers(0, 3)) == 0 else text.encode('utf-8', 'surrogateescape')


@st.composite
def mangled_text(draw, samples):
    """A text with pieces cut out, doubled, exchanged or put in; as bytes, as a file holds it."""
    text = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(1, 4))):
        size = len(text)
        start = draw(st.integers(0, size))
        end = min(size, start + draw(st.integers(0, 40)))
        how = draw(st.sampled_from(['cut', 'double', 'put', 'truncate', 'line', 'bytes', 'replace']))
        if how == 'cut':
            text = text[:start] + text[end:]
        elif how == 'double':
            text = text[:end] + text[start:]
        elif how == 'put':
            text = text[:start] + draw(st.sampled_from(HARM)) + text[start:]
        elif how == 'truncate':
            text = text[:start]
        elif how == 'replace':
            text = text[:start] + draw(st.sampled_from(HARM) | st.text(max_size=9)) + text[end:]
        elif how == 'line':
            lines = text.split('\n')
            one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
            lines[one], lines[other] = lines[other], lines[one]
            text = '\n'.join(lines)
        else:
            text = text[:start] + draw(st.binary(max_size=4)).decode('utf-8', 'surrogateescape') + text[end:]
    return text.encode('utf-8', 'surrogateescape')


@st.composite
def mangled_recipe(draw, samples):
    """
    A recipe with some of its values exchanged for strange ones: it stays Python, so that it comes further than a text
    that is damaged anywhere; one of four is damaged anywhere.
    """
    text = draw(st.sampled_from(samples))
    if draw(st.integers(0, 3)) == 0:
        return draw(mangled_text([text]))
    lines = text.split('\n')
    for _ in range(draw(st.integers(1, 3))):
        key = draw(st.sampled_from(PARAMETERS))
        lines.append(f'{key} = {draw(st.one_of(shaped(), STRANGE.map(repr)))}')
    if draw(st.booleans()):
        position = draw(st.integers(0, len(lines) - 1))
        lines[position] = lines[position].replace("'", draw(st.sampled_from(["'", '"', "''", "' '"])))
    return '\n'.join(lines).encode('utf-8', 'surrogateescape')


def shaped():
    """Values in the shapes that recipes have, of strange parts, as Python."""
    part = st.sampled_from([*HARM[:12], 'zlib', 'HDF5', '1.3.1', 'foss', '2025a', 'SYSTEM', 'CUDA', 'Python', '3.13.1'])
    several = st.lists(part, min_size=1, max_size=4)
    return st.one_of(
        st.lists(several.map(tuple), max_size=3).map(repr), st.lists(several, max_size=3).map(repr),
        st.lists(st.lists(several.map(tuple), max_size=2), max_size=2).map(repr), several.map(repr), part.map(repr),
        st.dictionaries(st.sampled_from(['name', 'version', 'filename', 'usempi', 'git_config', 'source_urls']), part,
                        max_size=3).map(repr),
        st.lists(st.tuples(part, part, st.dictionaries(st.sampled_from(['patches', 'sources', 'checksums']),
                                                       several, max_size=2)), max_size=2).map(repr))
