# SPDX-License-Identifier: GPL-2.0-only
"""Plain English: phrases that readers had to read twice are in no page, message or docstring."""
import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# pattern -> say instead. No word of a public name (`mend` of verify --json) is meant: those stand in backticks.
PHRASES = {
    r"stands? (there |in \w+ )?twice": 'duplicate',
    r'says? something else': 'has different contents',
    r'(is|are) not to be taken': 'is rejected',
    r"what can't be right": 'what is wrong, what cannot work',
    r"which are not here|(is|are) not here and": 'which LUMI does not have; is missing',
    r'\bmend(s|ed|ing)?\b(?!`)': 'fix',
    r"\bone's own\b": "your own, the user's own",
    r'in (the|whose) place of|takes? the place\b|in whose place': 'replaces, instead of',
    r'\banew\b': 'again',
    r'\bput right\b': 'fix',
    r'\b(is|are|was|were) told as\b': 'is reported as',
    r'\btold? an untruth\b': 'is not true',
    r'\b(lies?|lying) beside\b|\bbeside (it|them)\b': 'next to, besides',
    r'for want of': 'because … is missing',
    r"of upstream's or of LUMI's": "upstream's or LUMI's",
    r'\bmangle[sd]?\b': 'damage',
    r'\bwhosoever\b|\bthereof\b|\btherein\b': '(a plain word)',
}
# written by long runs: their words change with the next one
WRITTEN = {'docs/results.md', 'docs/faults.md', 'docs/bench.md'}

def pages():
    """The text of each page for people, without what is quoted as code."""
    for pattern in ('*.md', 'docs/*.md', 'changelog.d/*.md', 'easyconfigs/*.md', 'ci/standin/README.md'):
        for path in ROOT.glob(pattern):
            name = str(path.relative_to(ROOT))
            if name not in WRITTEN:
                text = re.sub(r'^```.*?^```$', '', path.read_text(encoding='utf-8'), flags=re.M | re.S)
                yield path, re.sub(r'`[^`\n]*`', '`code`', text)


def words_of(tree):
    """Strings of a program that have spaces in them: messages and docstrings, joined as they are said."""
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield ''.join(part.value if isinstance(part, ast.Constant) else '…' for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def programs():
    for folder in ('lumi_hooks', 'easyblocks', 'toolchains'):
        for path in (ROOT / folder).rglob('*.py'):
            for text in words_of(ast.parse(path.read_text(encoding='utf-8'))):
                if ' ' in text:
                    yield path, text


def data():
    for path in (ROOT / 'lumi_hooks').rglob('*.json'):
        waiting = [json.loads(path.read_text(encoding='utf-8'))]
        while waiting:
            value = waiting.pop()
            if isinstance(value, (dict, list)):
                waiting += value.values() if isinstance(value, dict) else value
            elif isinstance(value, str) and ' ' in value:
                yield path, value


def hard_words(source):
    """Which phrases are where, and what to say instead."""
    for path, text in source:
        text = ' '.join(text.split())
        for pattern, instead in PHRASES.items():
            for match in re.finditer(pattern, text, flags=re.I):
                around = text[max(match.start() - 40, 0):match.end() + 30]
                yield f'{path.relative_to(ROOT)}: "{around}": say "{instead}"'


@pytest.mark.parametrize('source', [pages, programs, data])
def test_plain_english(source):
    assert list(hard_words(source())) == []


def test_the_list_finds_what_it_is_for():
    said = ['the key stands there twice', 'a file exists and\nsays something else', 'it names MKL, which are not here',
            'mend its permissions', "a folder of one's own", 'load it anew', 'put into the place, in the place of HDF5']
    assert len(list(hard_words((ROOT / 'x', text) for text in said))) == len(said)
    tree = ast.parse("def f(name):\n    '''It mends it.'''\n    raise E(f'{name} stands ' f'there twice')\n")
    assert len(list(hard_words((ROOT / 'x', text) for text in words_of(tree)))) == 2
    assert list(hard_words([(ROOT / 'x', 'recommend amendments `mend`; not told anything')])) == []
