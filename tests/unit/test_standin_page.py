# SPDX-License-Identifier: GPL-2.0-only
"""docs/standin.md: each difference has a side that it favours, and its facts are ones that the pilot's probe notes."""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'docs/standin.md').read_text(encoding='utf-8')
ROWS = [[cell.strip() for cell in re.split(r'(?<!\\)\|', line)[1:-1]] for line in PAGE.splitlines()
        if line.startswith('| ') and not line.startswith('| what ')]


def test_each_difference_favours_a_side():
    differences = [row for row in ROWS if len(row) == 5]
    assert len(differences) > 30 and len(ROWS) > len(differences)
    assert {row[3] for row in differences} == {'kinder', 'harder', 'neutral'}


def test_the_facts_are_those_of_the_probe():
    """A fact is named as the probe's scripts write it, with or without a part that is a name there."""
    scripts = '\n'.join(path.read_text(encoding='utf-8') for path in (ROOT / 'ci/pilots').glob('*.sh'))
    # fact_$1.name and fact.$name in a script stand for any name
    noted = [re.sub(r'\\\$(\\\{)?\w+(\\\})?', r'[\\w.-]+?', re.escape(word))
             for word in set(re.findall(r'[\'"]?([a-z]+(?:\.[\w${}.-]+)*)', scripts))]
    facts = {word.replace('<name>', 'name') for row in ROWS for word in re.findall(r'`([a-z]+\.[^`]+)`', row[-1])}
    # what a command ended with is noted beside what it printed
    facts = {fact[:-len('.exit')] if fact.endswith('.exit') else fact for fact in facts}
    assert len(facts) > 25
    assert not [fact for fact in facts if not any(re.fullmatch(pattern, fact) for pattern in noted)]


def test_the_stand_in_and_the_index_lead_there():
    assert '../../docs/standin.md' in (ROOT / 'ci/standin/README.md').read_text(encoding='utf-8')
    assert '(standin.md)' in (ROOT / 'docs/README.md').read_text(encoding='utf-8')
